
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What happened, in the words of records, headers and variables: one record
 * per request, and one per attempt when there was more than one.
 */


#ifndef _NGX_HTTP_AI_USAGE_H_INCLUDED_
#define _NGX_HTTP_AI_USAGE_H_INCLUDED_


#include "ngx_http_ai_attempt.h"


/*
 * What a request's record can say before anything was tried; its event id is
 * in memory of EVENT_ID bytes.
 */
void ngx_http_ai_usage_begin(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_record_t *rec, u_char *event_id);

/* hands the request's records to the sink, once */
void ngx_http_ai_usage_record(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx);

/* whose account a record is about, and who pays; its team is known */
void ngx_http_ai_usage_account(ngx_http_ai_record_t *rec,
    const ngx_http_ai_account_t *account);

/*
 * The current try is over, or about to be replaced: keeps what it used in its
 * "tokens", and returns that as one number, which a token limit settles; 0:
 * nothing; -1: not known.  Once per try: it forgets what was read of it.
 *
 * A try has used something if its answer passed, or if it had content or told
 * its usage before it failed.  What the provider did not tell is estimated;
 * of an answer that passed unread only the units are known that the request
 * asked for.
 */
int64_t ngx_http_ai_usage_close(ngx_http_ai_attempt_t *at);

/*
 * Adds what is no token.  What the answer did not tell is as the request asked
 * for.  Images are there to be counted (items, -1: not read): an answer that
 * has some and tells no tokens has used none, as far as anybody bills them.
 */
void ngx_http_ai_usage_units(ngx_http_ai_ctx_t *ctx, int64_t items,
    ngx_http_ai_tokens_t *tokens);

/* the key_id where no keys are asked for */
extern const ngx_str_t  ngx_http_ai_usage_anonymous;

/* the key's, "anonymous" where there are no keys, or NULL: not known */
const ngx_str_t *ngx_http_ai_usage_key_id(ngx_http_ai_ctx_t *ctx);

/* none | retry | account | provider | backup */
ngx_str_t *ngx_http_ai_usage_fallback(ngx_http_ai_attempt_t *at);

/*
 * What a try that is over cost, in nanodollars: the provider's own figure, or
 * by the try's price.  NGX_DECLINED: it used nothing that is known of, or its
 * price is not known; nanousd is untouched then.
 */
ngx_int_t ngx_http_ai_usage_cost(ngx_http_ai_try_t *try, int64_t *nanousd);

/* its tokens and cost; NULL: usage_source is "none" */
void ngx_http_ai_usage_tokens(ngx_http_ai_try_t *try,
    ngx_http_ai_record_t *rec);

/*
 * The id of a request's record, n = 0, or of its n-th attempt's, written to
 * buf of EVENT_ID bytes.
 */
#define NGX_HTTP_AI_USAGE_EVENT_ID  (32 + 1 + NGX_INT_T_LEN)

ngx_str_t ngx_http_ai_usage_event_id(ngx_http_ai_ctx_t *ctx, ngx_uint_t n,
    u_char *buf);

ngx_str_t *ngx_http_ai_usage_outcome(ngx_http_ai_ctx_t *ctx);

/* the verdict that failed the request; an empty string for a success */
const ngx_str_t *ngx_http_ai_usage_error_class(ngx_http_ai_ctx_t *ctx);

/*
 * "openai_a=429/rate_limit,azure_eu=200/ok" in buf; its end.  Tries that do
 * not fit are left out.
 */
#define NGX_HTTP_AI_TRAIL_MAX  1024

u_char *ngx_http_ai_usage_trail(ngx_http_ai_attempt_t *at, u_char *buf,
    size_t size);


#endif /* _NGX_HTTP_AI_USAGE_H_INCLUDED_ */
