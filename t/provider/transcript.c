
/*
 * Transcriptions: whole, as text or JSON, and streamed.
 */

#include "ai-provider.h"


/* the text as it is said, without the quotes of JSON */

static void
bare_text(const answer_t *a, buf_t *b)
{
    buf_t  text = { NULL, 0, 0 };

    shape_text(a, &text);
    buf_add(b, text.p + 1, text.len - 2);
    buf_str(b, "\n");
    buf_free(&text);
}


void
transcript_body(const answer_t *a, buf_t *b)
{
    const char  *format = a->form.format;

    if (strcmp(format, "text") == 0) {
        bare_text(a, b);
        return;
    }

    buf_str(b, "{");

    if (strcmp(format, "verbose_json") == 0) {
        buf_str(b, "\"task\":\"transcribe\",\"language\":\"english\","
                   "\"duration\":2.5,\"segments\":[],");
    }

    buf_str(b, "\"text\":");
    shape_text(a, b);
    shape_usage(a, b);
    form_report(a, b);
    buf_str(b, "}\n");
}


void
transcript_event(const answer_t *a, buf_t *b)
{
    buf_fmt(b, "data: {\"type\":\"transcript.text.delta\","
            "\"delta\":\"word%d \",\"logprobs\":[]}\n\n", a->sent);
}


int
transcript_post(answer_t *a, buf_t *b)
{
    if (a->idx++ > 0 || a->sp.done_off) {
        return 0;
    }

    buf_str(b, "data: {\"type\":\"transcript.text.done\",\"text\":");
    shape_text(a, b);
    shape_usage(a, b);
    buf_str(b, ",\"logprobs\":[]}\n\n");

    return 1;
}
