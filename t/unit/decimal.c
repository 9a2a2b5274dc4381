
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* numbers as integers of a smaller unit: rounding, ends, and what is none */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_decimal.h"


#define NONE  -1                    /* refused */


typedef struct {
    const char  *text;
    ngx_int_t    places;
    int64_t      value;
} ngx_http_ai_test_decimal_t;


static const ngx_http_ai_test_decimal_t  ngx_http_ai_test_decimals[] = {
    { "0", 0, 0 },
    { "7", 0, 7 },
    { "7", 6, 7000000 },
    { "0.15", 6, 150000 },
    { "0.0000019", 6, 1 },
    { "1.999", 0, 1 },
    { "-0", 3, 0 },
    { "-0.000", 3, 0 },
    { "1e3", 0, 1000 },
    { "1E+3", 0, 1000 },
    { "1500e-3", 0, 1 },
    { "1e-30", 6, 0 },
    { "0e999999999999999999999", 6, 0 },
    { "1e999999999999999999999", 0, INT64_MAX },
    { "9223372036854775807", 0, 9223372036854775800 },
    { "123456789012345678901234567890", 0, INT64_MAX },
    { "0.00000000000000000000000000000001", 6, 0 },

    { "", 0, NONE },
    { "-", 0, NONE },
    { ".5", 0, NONE },
    { "1.", 0, NONE },
    { "1.2.3", 0, NONE },
    { "-1", 0, NONE },
    { "1e", 0, NONE },
    { "1x", 0, NONE },
    { " 1", 0, NONE },
    { "null", 0, NONE }
};


static void
ngx_http_ai_test_table(void)
{
    int64_t                            value;
    ngx_int_t                          rc;
    ngx_uint_t                         i;
    const u_char                      *p;
    const ngx_http_ai_test_decimal_t  *t;

    for (i = 0; i < sizeof(ngx_http_ai_test_decimals)
                    / sizeof(ngx_http_ai_test_decimals[0]); i++)
    {
        t = &ngx_http_ai_test_decimals[i];
        p = (const u_char *) t->text;
        value = NONE;

        rc = ngx_http_ai_decimal(p, p + strlen(t->text), t->places, &value);

        t_eq(rc, t->value == NONE ? NGX_ERROR : NGX_OK);
        t_eq(value, t->value);
    }
}


static const ngx_http_ai_test_t  tests[] = {
    { "numbers as integers", ngx_http_ai_test_table },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
