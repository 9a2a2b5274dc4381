
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* what a check asks, and what it makes of the answer */


#include "ngx_http_ai_check.h"
#include "ngx_http_ai_compat.h"
#include "ngx_http_ai_secret.h"


typedef struct {
    ngx_str_t                 name;
    size_t                    offset;      /* in ngx_http_ai_answer_t */
} ngx_http_ai_check_header_t;


static ngx_uint_t ngx_http_ai_check_expected(ngx_http_ai_check_t *check);
static ngx_int_t ngx_http_ai_check_head(ngx_http_ai_check_t *check);
static ngx_int_t ngx_http_ai_check_status(ngx_http_ai_check_reply_t *reply);
static ngx_int_t ngx_http_ai_check_header(ngx_http_ai_check_run_t *run);
static ngx_int_t ngx_http_ai_check_framing(ngx_http_ai_check_reply_t *reply,
    ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_http_ai_check_body(ngx_http_ai_check_reply_t *reply);
static ngx_int_t ngx_http_ai_check_chunks(ngx_http_ai_check_reply_t *reply);
static ngx_int_t ngx_http_ai_check_keep(ngx_http_ai_check_reply_t *reply,
    size_t len);


static ngx_http_ai_check_header_t  ngx_http_ai_check_headers[] = {

    { ngx_string("retry-after"),
      offsetof(ngx_http_ai_answer_t, retry_after) },
    { ngx_string("retry-after-ms"),
      offsetof(ngx_http_ai_answer_t, retry_after_ms) },
    { ngx_string("x-should-retry"),
      offsetof(ngx_http_ai_answer_t, should_retry) },
    { ngx_string("x-amzn-errortype"),
      offsetof(ngx_http_ai_answer_t, error_type) },

    { ngx_null_string, 0 }
};


static ngx_str_t  ngx_http_ai_check_tail = ngx_string(
    "User-Agent: nginx-ai-route" CRLF
    "Accept: application/json" CRLF
    "Accept-Encoding: identity" CRLF
    "Connection: close" CRLF CRLF);


ngx_int_t
ngx_http_ai_check_request(ngx_http_ai_check_t *check)
{
    size_t                  len;
    ngx_buf_t              *b;
    ngx_str_t               tail;
    const ngx_str_t        *head;
    ngx_http_ai_account_t  *account;

    account = check->account;
    head = &account->provider->check_head;
    tail = ngx_http_ai_check_tail;

    len = sizeof("HEAD  HTTP/1.1" CRLF "Host: " CRLF) - 1
          + account->prefix.len + account->check.uri.len
          + account->host.len + account->credential.len
          + head->len + tail.len;

    b = ngx_create_temp_buf(check->run->pool, len);
    if (b == NULL
        || ngx_http_ai_secret_forget(check->run->pool, b->pos, len) != NGX_OK)
    {
        return NGX_ERROR;
    }

    b->last = ngx_slprintf(b->last, b->end,
                           "%s %V%V HTTP/1.1" CRLF "Host: %V" CRLF "%V%V%V",
                           account->check.head ? "HEAD" : "GET",
                           &account->prefix, &account->check.uri,
                           &account->host, &account->credential, head, &tail);

    check->run->request = b;

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_check_reply_init(ngx_http_ai_check_run_t *run)
{
    ngx_http_ai_check_reply_t  *reply;

    reply = &run->reply;

    reply->buf.start = ngx_palloc(run->pool, NGX_HTTP_AI_CHECK_HEAD);
    reply->parser = ngx_pcalloc(run->pool, sizeof(ngx_http_request_t));

    if (reply->buf.start == NULL || reply->parser == NULL) {
        return NGX_ERROR;
    }

    reply->buf.pos = reply->buf.start;
    reply->buf.last = reply->buf.start;
    reply->buf.end = reply->buf.start + NGX_HTTP_AI_CHECK_HEAD;
    reply->length = -1;

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_check_reply(ngx_http_ai_check_t *check)
{
    ngx_int_t                   rc;
    ngx_http_ai_check_run_t    *run;
    ngx_http_ai_check_reply_t  *reply;

    run = check->run;
    reply = &run->reply;

    /* the parsers write to its log */
    reply->parser->connection = run->peer.connection;

    if (!reply->head_done) {

        rc = ngx_http_ai_check_head(check);

        if (rc == NGX_AGAIN) {
            return reply->buf.last == reply->buf.end ? NGX_ERROR : NGX_AGAIN;
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }

        reply->head_done = 1;

        if (ngx_http_ai_check_expected(check)
            || check->account->check.head || reply->bodiless)
        {
            return NGX_OK;
        }

        reply->answer.body.data = ngx_palloc(run->pool,
                                             NGX_HTTP_AI_CLASSIFY_BODY);
        if (reply->answer.body.data == NULL) {
            /* the status alone tells something, too */
            return NGX_OK;
        }
    }

    return ngx_http_ai_check_body(reply);
}


ngx_http_ai_verdict_e
ngx_http_ai_check_judge(ngx_http_ai_check_t *check, int64_t *wait_ms)
{
    ngx_http_ai_judgement_t  judgement;

    *wait_ms = -1;

    if (ngx_http_ai_check_expected(check)) {
        return NGX_HTTP_AI_OK;
    }

    ngx_http_ai_classify(check->account->provider, &check->run->reply.answer,
                         ngx_time(), &judgement);

    if (judgement.verdict == NGX_HTTP_AI_OK) {
        /* a 2xx or 3xx, but not the one that was asked for */
        return NGX_HTTP_AI_INVALID_REQUEST;
    }

    *wait_ms = judgement.wait_ms;

    return judgement.verdict;
}


static ngx_uint_t
ngx_http_ai_check_expected(ngx_http_ai_check_t *check)
{
    ngx_uint_t  i, status, *expect;

    expect = check->account->check.expect;
    status = check->run->reply.answer.status;

    for (i = 0; i < NGX_HTTP_AI_MAX_EXPECT && expect[i]; i++) {
        if (expect[i] == status) {
            return 1;
        }
    }

    return 0;
}


/* up to the empty line; NGX_OK: it is all here */

static ngx_int_t
ngx_http_ai_check_head(ngx_http_ai_check_t *check)
{
    ngx_int_t                   rc;
    ngx_http_ai_check_reply_t  *reply;

    reply = &check->run->reply;

    for ( ;; ) {

        if (!reply->status_done) {

            rc = ngx_http_ai_check_status(reply);

            if (rc != NGX_OK) {
                return rc;
            }
        }

        rc = ngx_http_parse_header_line(reply->parser, &reply->buf, 1);

        if (rc == NGX_OK) {

            if (reply->status.code >= 200
                && ngx_http_ai_check_header(check->run) != NGX_OK)
            {
                return NGX_ERROR;
            }

            continue;
        }

        if (rc != NGX_HTTP_PARSE_HEADER_DONE) {
            return rc == NGX_AGAIN ? NGX_AGAIN : NGX_ERROR;
        }

        if (reply->status.code >= 200) {
            break;
        }

        if (reply->status.code == NGX_HTTP_SWITCHING_PROTOCOLS) {
            return NGX_ERROR;
        }

        /* 100 and 103 announce; the answer follows (RFC 9110, 15.2) */

        ngx_memzero(&reply->status, sizeof(ngx_http_status_t));
        reply->parser->state = 0;
        reply->status_done = 0;
    }

    if (reply->chunked) {
        reply->length = -1;
    }

    reply->bodiless = reply->length == 0
                      || reply->status.code == NGX_HTTP_NO_CONTENT
                      || reply->status.code == NGX_HTTP_NOT_MODIFIED;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_check_status(ngx_http_ai_check_reply_t *reply)
{
    ngx_int_t  rc;

    rc = ngx_http_parse_status_line(reply->parser, &reply->buf,
                                    &reply->status);
    if (rc != NGX_OK) {
        return rc;
    }

    if (reply->status.code >= 200) {
        reply->answer.status = reply->status.code;
    }

    reply->status_done = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_check_header(ngx_http_ai_check_run_t *run)
{
    ngx_str_t                    name, value, *field;
    ngx_http_request_t          *r;
    ngx_http_ai_check_header_t  *h;

    r = run->reply.parser;

    name.data = r->header_name_start;
    name.len = r->header_name_end - r->header_name_start;
    value.data = r->header_start;
    value.len = r->header_end - r->header_start;

    for (h = ngx_http_ai_check_headers; h->name.len; h++) {

        if (h->name.len != name.len
            || ngx_strncasecmp(h->name.data, name.data, name.len) != 0)
        {
            continue;
        }

        field = (ngx_str_t *) ((u_char *) &run->reply.answer + h->offset);

        if (field->len == 0 && value.len) {

            /* the buffer serves for the body as well */

            field->data = ngx_pstrdup(run->pool, &value);
            if (field->data == NULL) {
                return NGX_ERROR;
            }

            field->len = value.len;
        }

        return NGX_OK;
    }

    return ngx_http_ai_check_framing(&run->reply, &name, &value);
}


static ngx_int_t
ngx_http_ai_check_framing(ngx_http_ai_check_reply_t *reply, ngx_str_t *name,
    ngx_str_t *value)
{
    if (name->len == 14
        && ngx_strncasecmp(name->data, (u_char *) "Content-Length", 14) == 0)
    {
        reply->length = ngx_atoof(value->data, value->len);

        return reply->length == NGX_ERROR ? NGX_ERROR : NGX_OK;
    }

    if (name->len == 17
        && ngx_strncasecmp(name->data, (u_char *) "Transfer-Encoding", 17)
           == 0
        && value->len == 7
        && ngx_strncasecmp(value->data, (u_char *) "chunked", 7) == 0)
    {
        reply->chunked = 1;
    }

    return NGX_OK;
}


/* an error's body, as much as is read of it; NGX_OK: it is here */

static ngx_int_t
ngx_http_ai_check_body(ngx_http_ai_check_reply_t *reply)
{
    ngx_int_t   rc;
    ngx_buf_t  *b;

    b = &reply->buf;

    if (reply->chunked) {
        rc = ngx_http_ai_check_chunks(reply);

    } else {
        rc = ngx_http_ai_check_keep(reply, b->last - b->pos);

        if (reply->length >= 0
            && (off_t) reply->answer.body.len >= reply->length)
        {
            reply->answer.body.len = (size_t) reply->length;
            rc = NGX_OK;
        }
    }

    b->pos = b->start;
    b->last = b->start;

    return rc;
}


/* what is broken ends the body: its status has been read */

static ngx_int_t
ngx_http_ai_check_chunks(ngx_http_ai_check_reply_t *reply)
{
    size_t      len;
    ngx_int_t   rc;
    ngx_buf_t  *b;

    b = &reply->buf;

    for ( ;; ) {

        rc = ngx_http_ai_parse_chunked(reply->parser, b, &reply->chunks);

        if (rc == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        if (rc != NGX_OK) {
            return NGX_OK;
        }

        len = b->last - b->pos;

        if ((off_t) len > reply->chunks.size) {
            len = (size_t) reply->chunks.size;
        }

        reply->chunks.size -= len;

        if (ngx_http_ai_check_keep(reply, len) == NGX_OK) {
            return NGX_OK;
        }

        b->pos += len;
    }
}


/* NGX_OK: there is no room for more */

static ngx_int_t
ngx_http_ai_check_keep(ngx_http_ai_check_reply_t *reply, size_t len)
{
    ngx_str_t  *body;

    body = &reply->answer.body;

    len = ngx_min(len, NGX_HTTP_AI_CLASSIFY_BODY - body->len);

    ngx_memcpy(body->data + body->len, reply->buf.pos, len);
    body->len += len;

    return body->len == NGX_HTTP_AI_CLASSIFY_BODY ? NGX_OK : NGX_AGAIN;
}
