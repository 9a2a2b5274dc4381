
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Incremental scanner for one JSON document: validates the structure and
 * reports the wanted members of the top-level object with byte offsets.
 *
 * Bytes may arrive in pieces of any size; nothing of the document is copied
 * but the first bytes of wanted values.  Time is linear, memory constant.
 *
 * The grammar is RFC 8259's, narrowed: the top-level value is an object, no
 * byte order mark, at most MAX_DEPTH levels.  Strings are not checked for
 * valid UTF-8, nor escaped surrogates for being paired: unquote() does the
 * latter for the few values that are used.
 */


#ifndef _NGX_HTTP_AI_JSON_H_INCLUDED_
#define _NGX_HTTP_AI_JSON_H_INCLUDED_


#include "ngx_http_ai_base.h"


#define NGX_HTTP_AI_JSON_MAX_DEPTH  128
#define NGX_HTTP_AI_JSON_MAX_KEY    64     /* longest name compared, bytes */


typedef enum {
    NGX_HTTP_AI_JSON_NONE = 0,
    NGX_HTTP_AI_JSON_NULL,
    NGX_HTTP_AI_JSON_TRUE,
    NGX_HTTP_AI_JSON_FALSE,
    NGX_HTTP_AI_JSON_NUMBER,
    NGX_HTTP_AI_JSON_STRING,
    NGX_HTTP_AI_JSON_OBJECT,
    NGX_HTTP_AI_JSON_ARRAY
} ngx_http_ai_json_type_e;


/* why a document was refused; ngx_http_ai_json_strerror() has the words */

typedef enum {
    NGX_HTTP_AI_JSON_EOK = 0,
    NGX_HTTP_AI_JSON_EEMPTY,        /* no value at all */
    NGX_HTTP_AI_JSON_ENOTOBJECT,    /* top-level value is not an object */
    NGX_HTTP_AI_JSON_ESYNTAX,
    NGX_HTTP_AI_JSON_ETRUNCATED,    /* input ended inside the document */
    NGX_HTTP_AI_JSON_EDEPTH,        /* deeper than MAX_DEPTH */
    NGX_HTTP_AI_JSON_ETRAILING,     /* bytes after the document */
    NGX_HTTP_AI_JSON_EDUPLICATE,    /* a wanted top-level name twice */
    NGX_HTTP_AI_JSON_EESCAPED,      /* a top-level name with a backslash */
    NGX_HTTP_AI_JSON_ECASE,         /* a wanted top-level name, but for its
                                       case */
    NGX_HTTP_AI_JSON_ECONTROL       /* raw control character in a string */
} ngx_http_ai_json_error_e;


typedef struct ngx_http_ai_json_s  ngx_http_ai_json_t;


/*
 * A wanted top-level member.  The caller sets name (at most MAX_KEY bytes),
 * buf and size (may be 0), count and inner (may be NULL); init() zeroes the
 * rest.
 * start/end are offsets from the first byte ever fed: the value's bytes are
 * [start, end), quotes included.  buf receives the raw value bytes (still
 * escaped, quotes included) up to size; "len" is how many were stored and
 * "end - start" how many there were.
 *
 * inner, begun by the caller, is fed the bytes of a value that is an object,
 * so that members one level deeper are found in constant memory too.
 *
 * chars: names are not counted; an escape is one, a pair of surrogates too.
 * In bytes that are no UTF-8 each one counts that continues nothing.
 */

typedef struct {
    ngx_str_t                  name;
    u_char                    *buf;
    size_t                     size;

    size_t                     len;
    off_t                      start;
    off_t                      end;
    ngx_http_ai_json_type_e    type;      /* NONE until found complete */

    /* for those who cut it out */

    off_t                      quote;     /* the first one of its name */
    off_t                      comma;     /* before it; 0: the first member */
    off_t                      next;      /* just after the comma behind it;
                                             0: the last member */

    off_t                      text;      /* see ngx_http_ai_json_member_text
                                           */
    off_t                      chars;     /* code points of all strings in
                                             it, so far, if "count" */
    off_t                      items;     /* of an array, so far */
    off_t                      numbers;   /* of those items */
    unsigned                   count:1;   /* the caller's wish */
    ngx_http_ai_json_t        *inner;
} ngx_http_ai_json_member_t;


struct ngx_http_ai_json_s {
    ngx_http_ai_json_member_t *members;
    ngx_uint_t                 nmembers;
    ngx_http_ai_json_member_t *cur;       /* member whose value is open */

    off_t                      offset;    /* bytes consumed so far */
    off_t                      object;    /* offset just after the top "{",
                                             0 until it was seen */
    off_t                      text;      /* decoded bytes of all strings that
                                             are values, so far */
    ngx_http_ai_json_error_e   error;

    unsigned                   strict:1;
    unsigned                   empty:1;   /* the top object has no member */

    /* private */

    unsigned                   name:1;    /* the string is a member's name */

    u_char                     literal;   /* position in a word or \uXXXX */
    u_char                     hex[2];    /* the first digits of \uXXXX */
    off_t                      high;      /* just after a high surrogate */

    ngx_http_ai_json_type_e    type;      /* of the word being read */
    ngx_http_ai_json_type_e    cur_type;

    ngx_http_ai_json_member_t *named;     /* its name is read, value to come */
    ngx_http_ai_json_member_t *ended;     /* no comma was seen after it */
    off_t                      comma;     /* the last one of the top object */

    const u_char              *chunk;     /* input of the running call, */
    const u_char              *mark;      /* not yet kept from here on */

    ngx_uint_t                 state;
    ngx_uint_t                 depth;
    uint64_t                   nest[NGX_HTTP_AI_JSON_MAX_DEPTH / 64];

    size_t                     key_len;   /* above MAX_KEY: matches nothing */
    u_char                     key[NGX_HTTP_AI_JSON_MAX_KEY];
};


/*
 * strict: duplicate wanted names, those in another case, and escaped top-level
 * names are errors (a request; "mod\u0065l" would evade a rule, and so would
 * "MODEL" where a provider's parser takes it for "model", as Go's does).
 * Otherwise the last one wins, and names that are escaped or in another case
 * are ignored (an answer).
 */
void ngx_http_ai_json_init(ngx_http_ai_json_t *js,
    ngx_http_ai_json_member_t *members, ngx_uint_t nmembers,
    ngx_uint_t strict);

/*
 * Feeds bytes; NGX_OK to go on (also after the document's end while only
 * white space follows), NGX_ERROR with js->error and js->offset (of the
 * offending byte; of the closing quote for a name) set; further
 * feeding returns NGX_ERROR again.
 */
ngx_int_t ngx_http_ai_json_feed(ngx_http_ai_json_t *js, const u_char *p,
    size_t n);

/* tells that the input is complete: NGX_OK, or NGX_ERROR with js->error */
ngx_int_t ngx_http_ai_json_end(ngx_http_ai_json_t *js);

/*
 * The bytes of all strings inside of a member's value, names not counted,
 * as far as it was fed; escapes count as what they stand for, \uXXXX as three
 * bytes.
 */
off_t ngx_http_ai_json_member_text(const ngx_http_ai_json_t *js,
    const ngx_http_ai_json_member_t *m);

const char *ngx_http_ai_json_strerror(ngx_http_ai_json_error_e error);

/*
 * The first byte of [p, last) that is a quote, a backslash or a control, or
 * last: for those who read a small object by themselves.
 */
const u_char *ngx_http_ai_json_text(const u_char *p, const u_char *last);

/*
 * Decodes a raw JSON string value (quotes included) into dst, at most size
 * bytes of UTF-8.  Returns the decoded length; NGX_ERROR if it does not fit,
 * is not a string, or has a bad escape (lone surrogates, \u0000 included).
 * dst may be p itself.  Bytes that are not escaped are passed on as they are,
 * valid UTF-8 or not.
 */
ngx_int_t ngx_http_ai_json_unquote(u_char *dst, size_t size, const u_char *p,
    size_t n);

/*
 * Bytes needed for src as the inside of a JSON string, without quotes:
 * quotes, backslashes, controls and invalid UTF-8 (each byte as \ufffd) are
 * escaped.  escape() returns the end of what it wrote, without a final zero.
 */
size_t ngx_http_ai_json_escape_len(const u_char *p, size_t n);
u_char *ngx_http_ai_json_escape(u_char *dst, const u_char *p, size_t n);

/*
 * The length of the well-formed UTF-8 sequence at p, before last, or zero:
 * overlong forms, surrogates and what lies above U+10FFFF are none.
 */
size_t ngx_http_ai_json_utf8(const u_char *p, const u_char *last);

/* 1: all of it is well-formed UTF-8 */
ngx_uint_t ngx_http_ai_json_wellformed(const u_char *p, size_t n);


#endif /* _NGX_HTTP_AI_JSON_H_INCLUDED_ */
