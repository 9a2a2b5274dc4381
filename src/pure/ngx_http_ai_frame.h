
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Frames: how records stand in memory and on disk until they are confirmed,
 * so that whoever finds the bytes later can tell whole ones from torn ones.
 *
 * All numbers are in the machine's byte order.  A frame begins at a multiple
 * of eight bytes behind the one before it.
 */


#ifndef _NGX_HTTP_AI_FRAME_H_INCLUDED_
#define _NGX_HTTP_AI_FRAME_H_INCLUDED_


#include "ngx_http_ai_base.h"


#define NGX_HTTP_AI_FRAME_MAX    (60 * 1024)    /* of a payload, bytes */


/*
 * The state is not under the checksum, for it changes later.  What is neither
 * DONE nor COPY is waiting: a flipped bit in here may make a record come
 * twice, but never lets one go.
 */

#define NGX_HTTP_AI_FRAME_MAGIC  0x317a5fa1u
#define NGX_HTTP_AI_FRAME_WAITS  0x54494157u
#define NGX_HTTP_AI_FRAME_COPY   0x59504f43u    /* another file has it, too,
                                                   and goes on having it until
                                                   this one is confirmed */
#define NGX_HTTP_AI_FRAME_DONE   0x454e4f44u


typedef struct {
    uint32_t         magic;
    uint32_t         len;           /* of the payload that follows */
    uint32_t         crc;           /* CRC-32C of len and the payload */
    uint32_t         state;
} ngx_http_ai_frame_t;


/* what a frame needs with its padding */
#define ngx_http_ai_frame_size(len)                                           \
    ((sizeof(ngx_http_ai_frame_t) + (len) + 7) & ~(size_t) 7)


/*
 * The head of a block of frames that is written to in place.  "used" grows
 * after each frame is complete: a process that is killed leaves whole ones.
 */

#define NGX_HTTP_AI_FRAME_BLOCK  0x326b5fa1u
#define NGX_HTTP_AI_FRAME_FREE   0x33655fa1u    /* nothing in it waits */

typedef struct {
    uint32_t         magic;
    uint32_t         used;          /* bytes, this head included */
    uint64_t         seq;           /* larger: younger */
} ngx_http_ai_frame_block_t;


/* the head of a file of frames that is only appended to */

#define NGX_HTTP_AI_FRAME_FILE   0x316c6f6f70736961ull

typedef struct {
    uint64_t         magic;
    uint64_t         done;          /* bytes from the file's start that were */
    uint64_t         check;         /*   confirmed; ~done */
} ngx_http_ai_frame_file_t;


/*
 * Takes frames out of bytes that may come in pieces: pos and last are the
 * piece, last_piece says that there is nothing behind it.  The other fields
 * begin as zero and stay for the next piece.
 */

typedef struct {
    const u_char    *pos;
    const u_char    *last;
    ngx_uint_t       last_piece;

    uint32_t         state;         /* of the frame found */
    ngx_uint_t       gaps;          /* places where there was damage */
    uint64_t         skipped;       /* bytes in these */

    unsigned         in_gap:1;
} ngx_http_ai_frame_reader_t;


/*
 * CRC-32C, crc is that of the bytes before or 0.  The second one is how it is
 * done where the processor does not know it.
 */
uint32_t ngx_http_ai_frame_crc(uint32_t crc, const u_char *p, size_t n);
uint32_t ngx_http_ai_frame_crc_soft(uint32_t crc, const u_char *p, size_t n);

/*
 * Completes a frame whose payload stands behind it already; sum 0 leaves the
 * checksum out: nobody but its writer will read it.
 */
void ngx_http_ai_frame_seal(ngx_http_ai_frame_t *frame, size_t len,
    uint32_t state, ngx_uint_t sum);

/*
 * NGX_OK: payload is the next whole frame's, it lies within the piece.
 * NGX_AGAIN: the piece is used up to pos; the next one begins with what stands
 * there, and is no shorter than the largest frame unless it is the last.
 * NGX_DONE: that was all.  What is damaged is passed over, up to the next
 * whole frame.
 */
ngx_int_t ngx_http_ai_frame_next(ngx_http_ai_frame_reader_t *reader,
    ngx_str_t *payload);

/* where the frames that are not confirmed begin; never beyond size */
uint64_t ngx_http_ai_frame_done(const ngx_http_ai_frame_file_t *head,
    uint64_t size);

/*
 * The bytes of frames in a block of that size, from behind its head: 0 if
 * there are none, all of them if the head itself is damaged.
 */
size_t ngx_http_ai_frame_used(const ngx_http_ai_frame_block_t *head,
    size_t size);


#endif /* _NGX_HTTP_AI_FRAME_H_INCLUDED_ */
