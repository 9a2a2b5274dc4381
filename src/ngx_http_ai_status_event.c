
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* one event as JSON: of the whole list, or of a drill's timeline */


#include "ngx_http_ai_events.h"
#include "ngx_http_ai_status_reply.h"
#include "pure/ngx_http_ai_endpoint.h"


static void ngx_http_ai_status_words(ngx_http_ai_writer_t *w,
    const char *name, const u_char *p, size_t len);


void
ngx_http_ai_status_event(ngx_http_ai_writer_t *w,
    const ngx_http_ai_events_one_t *event)
{
    const ngx_str_t  *family;

    ngx_http_ai_writer_open(w, NULL, '{');
    ngx_http_ai_writer_int(w, "at_ms", event->at_ms);
    ngx_http_ai_writer_str(w, "what", ngx_http_ai_events_name(event->what));
    ngx_http_ai_status_words(w, "account", event->account_name,
                             event->account_len);
    ngx_http_ai_status_words(w, "model", event->model, event->model_len);

    family = ngx_http_ai_endpoint_family(event->family);

    if (family->len) {
        ngx_http_ai_writer_str(w, "endpoint", family);
        ngx_http_ai_writer_bool(w, "stream", event->stream);

    } else {
        ngx_http_ai_writer_null(w, "endpoint");
        ngx_http_ai_writer_null(w, "stream");
    }

    ngx_http_ai_status_words(w, "detail", event->detail, event->detail_len);
    ngx_http_ai_writer_close(w, '}');
}


/* none: null */

static void
ngx_http_ai_status_words(ngx_http_ai_writer_t *w, const char *name,
    const u_char *p, size_t len)
{
    ngx_str_t  s;

    s.data = (u_char *) p;
    s.len = len;

    ngx_http_ai_writer_word(w, name, &s);
}
