
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Traffic classes: ai_class and ai_default_class.  Every class begins with the
 * same values, those of the built-in class "default"; "ai_class default"
 * changes that one alone.
 */


#include "ngx_http_ai_conf_block.h"
#include "ngx_http_ai_zone.h"


#define NGX_HTTP_AI_CLASS_NAME   64
#define NGX_HTTP_AI_CLASS_DAY    (24 * 60 * 60 * 1000)
#define NGX_HTTP_AI_CLASS_HOLD   100000        /* tokens */
#define NGX_HTTP_AI_CLASS_OUTPUT 1024          /* tokens, without a word */


static ngx_http_ai_class_t *ngx_http_ai_conf_class_add(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf, ngx_str_t *name);
static ngx_int_t ngx_http_ai_conf_class_name(ngx_conf_t *cf,
    ngx_str_t *name);
static void ngx_http_ai_conf_class_close(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block);
static char *ngx_http_ai_conf_class_time(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block, const ngx_http_ai_conf_word_t *word);
static char *ngx_http_ai_conf_class_number(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block, const ngx_http_ai_conf_word_t *word);
static char *ngx_http_ai_conf_class_percent(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block, const ngx_http_ai_conf_word_t *word);
static char *ngx_http_ai_conf_class_retry(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block, const ngx_http_ai_conf_word_t *word);
static char *ngx_http_ai_conf_class_backup(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block, const ngx_http_ai_conf_word_t *word);
static char *ngx_http_ai_conf_class_flag(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block, const ngx_http_ai_conf_word_t *word);
static char *ngx_http_ai_conf_class_expose(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block, const ngx_http_ai_conf_word_t *word);
static char *ngx_http_ai_conf_class_hold(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block, const ngx_http_ai_conf_word_t *word);
static ngx_int_t ngx_http_ai_conf_class_tokens(ngx_str_t *value);
static char *ngx_http_ai_conf_class_queue(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block, const ngx_http_ai_conf_word_t *word);
static char *ngx_http_ai_conf_class_accounts(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block, const ngx_http_ai_conf_word_t *word);
static ngx_int_t ngx_http_ai_conf_class_msec(
    const ngx_http_ai_conf_word_t *word, ngx_str_t *value, ngx_msec_t *msec);
static ngx_uint_t ngx_http_ai_conf_class_is(ngx_str_t *value,
    const char *word);

static ngx_int_t ngx_http_ai_conf_class_default(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf);
static ngx_int_t ngx_http_ai_conf_class_link(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf, ngx_http_ai_class_t *class);
static void ngx_http_ai_conf_class_routes(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf, ngx_http_ai_class_t *class);
static void ngx_http_ai_conf_class_backups(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf, ngx_http_ai_class_t *class);


static ngx_str_t  ngx_http_ai_conf_class_builtin = ngx_string("default");


static const ngx_http_ai_conf_word_t  ngx_http_ai_conf_class_words[] = {

    { ngx_string("deadline"), ngx_http_ai_conf_class_time,
      "deadline TIME", 1, 1, 0,
      offsetof(ngx_http_ai_class_t, deadline), 1, NGX_HTTP_AI_CLASS_DAY },

    { ngx_string("connect"), ngx_http_ai_conf_class_time,
      "connect TIME", 1, 1, NGX_HTTP_AI_CONF_BOUNDED,
      offsetof(ngx_http_ai_class_t, connect), 1, NGX_HTTP_AI_CLASS_DAY },

    { ngx_string("send"), ngx_http_ai_conf_class_time,
      "send TIME", 1, 1, 0,
      offsetof(ngx_http_ai_class_t, send), 1, NGX_HTTP_AI_CLASS_DAY },

    { ngx_string("first_byte"), ngx_http_ai_conf_class_time,
      "first_byte TIME|off", 1, 1, NGX_HTTP_AI_CONF_BOUNDED,
      offsetof(ngx_http_ai_class_t, first_byte), 0, NGX_HTTP_AI_CLASS_DAY },

    { ngx_string("first_token"), ngx_http_ai_conf_class_time,
      "first_token TIME", 1, 1, NGX_HTTP_AI_CONF_BOUNDED,
      offsetof(ngx_http_ai_class_t, first_token), 1, NGX_HTTP_AI_CLASS_DAY },

    { ngx_string("stall"), ngx_http_ai_conf_class_time,
      "stall TIME", 1, 1, 0,
      offsetof(ngx_http_ai_class_t, stall), 1, NGX_HTTP_AI_CLASS_DAY },

    { ngx_string("max_duration"), ngx_http_ai_conf_class_time,
      "max_duration TIME|off", 1, 1, 0,
      offsetof(ngx_http_ai_class_t, max_duration), 0, NGX_HTTP_AI_CLASS_DAY },

    { ngx_string("attempts"), ngx_http_ai_conf_class_number,
      "attempts 1..16", 1, 1, 0,
      offsetof(ngx_http_ai_class_t, attempts), 1, 16 },

    { ngx_string("retry_same"), ngx_http_ai_conf_class_retry,
      "retry_same first|last|off", 1, 1, 0, 0, 0, 0 },

    { ngx_string("max_wait"), ngx_http_ai_conf_class_time,
      "max_wait TIME|off", 1, 1, NGX_HTTP_AI_CONF_BOUNDED,
      offsetof(ngx_http_ai_class_t, max_wait), 0, NGX_HTTP_AI_CLASS_DAY },

    { ngx_string("hold"), ngx_http_ai_conf_class_hold,
      "hold TIME|TOKENSt [TIME|TOKENSt]", 1, 2, 0,
      0, 0, NGX_HTTP_AI_CLASS_DAY },

    { ngx_string("queue"), ngx_http_ai_conf_class_queue,
      "queue TIME [max=1..1024]|off", 1, 2, NGX_HTTP_AI_CONF_BOUNDED,
      offsetof(ngx_http_ai_class_t, queue), 0, NGX_HTTP_AI_CLASS_DAY },

    { ngx_string("priority"), ngx_http_ai_conf_class_number,
      "priority 0..9", 1, 1, 0,
      offsetof(ngx_http_ai_class_t, priority), 0, 9 },

    { ngx_string("yield"), ngx_http_ai_conf_class_percent,
      "yield 0%..90%", 1, 1, 0,
      offsetof(ngx_http_ai_class_t, yield), 0, 90 },

    { ngx_string("reserve_output"), ngx_http_ai_conf_class_number,
      "reserve_output 0..1000000", 1, 1, 0,
      offsetof(ngx_http_ai_class_t, reserve_output), 0, 1000000 },

    { ngx_string("allow_backup"), ngx_http_ai_conf_class_backup,
      "allow_backup on|off|manual", 1, 1, 0,
      offsetof(ngx_http_ai_class_t, allow_backup), 0, 0 },

    { ngx_string("allow_costlier"), ngx_http_ai_conf_class_flag,
      "allow_costlier on|off", 1, 1, 0,
      offsetof(ngx_http_ai_class_t, allow_costlier), 0, 0 },

    { ngx_string("allow_family_switch"), ngx_http_ai_conf_class_flag,
      "allow_family_switch on|off", 1, 1, 0,
      offsetof(ngx_http_ai_class_t, allow_family_switch), 0, 0 },

    { ngx_string("max_price"), ngx_http_ai_conf_max_price,
      "max_price input=USD output=USD", 1, 2, 0, 0, 0, 0 },

    { ngx_string("accounts"), ngx_http_ai_conf_class_accounts,
      "accounts ACCOUNT ...", 1, NGX_MAX_INT32_VALUE, 0, 0, 0, 0 },

    { ngx_string("expose"), ngx_http_ai_conf_class_expose,
      "expose trail", 1, 1, 0, 0, 0, 0 },

    { ngx_null_string, NULL, NULL, 0, 0, 0, 0, 0, 0 }
};


ngx_int_t
ngx_http_ai_conf_class_init(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf)
{
    amcf->default_class = ngx_http_ai_conf_class_add(cf, amcf,
                                              &ngx_http_ai_conf_class_builtin);

    return amcf->default_class ? NGX_OK : NGX_ERROR;
}


static ngx_http_ai_class_t *
ngx_http_ai_conf_class_add(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf,
    ngx_str_t *name)
{
    ngx_http_ai_class_t  *class, **cp;

    class = ngx_pcalloc(cf->pool, sizeof(ngx_http_ai_class_t));
    if (class == NULL) {
        return NULL;
    }

    class->name = *name;
    class->connect = 5000;
    class->send = 30000;
    class->first_byte = 0;
    class->first_token = 30000;
    class->stall = 60000;
    class->max_duration = 0;
    class->deadline = 120000;
    class->max_wait = 2000;
    class->hold = 0;
    class->hold_tokens = 0;
    class->queue = 0;
    class->queue_max = 100;
    class->priority = 5;
    class->reserve_output = NGX_HTTP_AI_CLASS_OUTPUT;
    class->attempts = 4;
    class->retry_same = NGX_HTTP_AI_RETRY_SAME_LAST;
    class->allow_backup = 1;
    class->allow_costlier = 1;
    class->allow_family_switch = 1;
    class->max_input = -1;
    class->max_output = -1;
    class->expose_trail = 0;

    cp = ngx_array_push(&amcf->classes);
    if (cp == NULL) {
        return NULL;
    }

    *cp = class;

    return class;
}


char *
ngx_http_ai_conf_class(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_main_conf_t  *amcf = conf;

    char                      *rv;
    ngx_str_t                 *value;
    ngx_http_ai_class_t       *class;
    ngx_http_ai_conf_block_t   block;

    value = cf->args->elts;

    if (ngx_http_ai_conf_class_name(cf, &value[1]) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    class = ngx_http_ai_conf_find_class(amcf, &value[1]);

    if (class && class->place.file) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate ai_class \"%V\", the first is in %s:%ui",
                           &class->name, class->place.file,
                           class->place.line);
        return NGX_CONF_ERROR;
    }

    if (class == NULL) {
        class = ngx_http_ai_conf_class_add(cf, amcf, &value[1]);
        if (class == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    ngx_http_ai_conf_place(cf, &class->place);

    block.directive = "ai_class";
    block.name = &class->name;
    block.words = ngx_http_ai_conf_class_words;
    block.object = class;

    rv = ngx_http_ai_conf_block(cf, &block);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    ngx_http_ai_conf_class_close(cf, &block);

    return NGX_CONF_OK;
}


/* the name travels in headers, records and labels of metrics */

static ngx_int_t
ngx_http_ai_conf_class_name(ngx_conf_t *cf, ngx_str_t *name)
{
    u_char  ch, lower;
    size_t  i;

    for (i = 0; i < name->len; i++) {

        ch = name->data[i];
        lower = ch | 0x20;

        if ((lower < 'a' || lower > 'z') && (ch < '0' || ch > '9')
            && ch != '_' && ch != '.' && ch != '-')
        {
            break;
        }
    }

    if (name->len == 0 || name->len > NGX_HTTP_AI_CLASS_NAME
        || i < name->len)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name \"%V\" of \"ai_class\", write 1 to %d "
                           "letters, digits, \"_\", \".\" or \"-\"", name,
                           NGX_HTTP_AI_CLASS_NAME);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * What contradicts itself, though it works.  Only what was written is looked
 * at: nobody has to lower the other limits with the deadline.
 */

static void
ngx_http_ai_conf_class_close(ngx_conf_t *cf, ngx_http_ai_conf_block_t *block)
{
    ngx_uint_t                      i;
    ngx_msec_t                      msec;
    ngx_http_ai_class_t            *class;
    const ngx_http_ai_conf_word_t  *word;

    class = block->object;

    for (i = 0; block->words[i].name.len; i++) {

        word = &block->words[i];

        if (!(word->flags & NGX_HTTP_AI_CONF_BOUNDED)
            || !(block->seen & ((ngx_uint_t) 1 << i)))
        {
            continue;
        }

        msec = *(ngx_msec_t *) ((char *) class + word->offset);

        if (msec > class->deadline) {
            ngx_http_ai_conf_log(cf, NGX_LOG_WARN, &class->place,
                                 "\"%V\" of ai_class \"%V\" is longer than "
                                 "its deadline of %Mms, which ends it, lower "
                                 "it or raise \"deadline\"", &word->name,
                                 &class->name, class->deadline);
        }
    }

    if (class->attempts == 1
        && class->retry_same == NGX_HTTP_AI_RETRY_SAME_FIRST)
    {
        ngx_http_ai_conf_log(cf, NGX_LOG_WARN, &class->place,
                             "\"retry_same first\" of ai_class \"%V\" means "
                             "nothing with \"attempts 1\", remove one of them",
                             &class->name);
    }

    if (!class->allow_backup && !class->allow_family_switch) {
        ngx_http_ai_conf_log(cf, NGX_LOG_WARN, &class->place,
                             "\"allow_family_switch off\" of ai_class \"%V\" "
                             "means nothing with \"allow_backup off\", remove "
                             "it", &class->name);
    }
}


static char *
ngx_http_ai_conf_class_time(ngx_conf_t *cf, ngx_http_ai_conf_block_t *block,
    const ngx_http_ai_conf_word_t *word)
{
    ngx_str_t   *value;
    ngx_msec_t  *msec;

    value = cf->args->elts;

    msec = (ngx_msec_t *) ((char *) block->object + word->offset);

    if (ngx_http_ai_conf_class_msec(word, &value[1], msec) != NGX_OK) {
        return ngx_http_ai_conf_block_invalid(cf, block, word, &value[1]);
    }

    return NGX_CONF_OK;
}


/* NGX_DECLINED: not a time, or outside the word's limits */

static ngx_int_t
ngx_http_ai_conf_class_msec(const ngx_http_ai_conf_word_t *word,
    ngx_str_t *value, ngx_msec_t *msec)
{
    ngx_int_t  n;

    if (word->min == 0 && ngx_http_ai_conf_class_is(value, "off")) {
        *msec = 0;
        return NGX_OK;
    }

    n = ngx_parse_time(value, 0);

    if (n == NGX_ERROR || n < word->min || n > word->max) {
        return NGX_DECLINED;
    }

    *msec = n;

    return NGX_OK;
}


static char *
ngx_http_ai_conf_class_number(ngx_conf_t *cf, ngx_http_ai_conf_block_t *block,
    const ngx_http_ai_conf_word_t *word)
{
    ngx_int_t   n;
    ngx_str_t  *value;

    value = cf->args->elts;

    n = ngx_atoi(value[1].data, value[1].len);

    if (n == NGX_ERROR || n < word->min || n > word->max) {
        return ngx_http_ai_conf_block_invalid(cf, block, word, &value[1]);
    }

    *(ngx_uint_t *) ((char *) block->object + word->offset) = n;

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_conf_class_percent(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block, const ngx_http_ai_conf_word_t *word)
{
    ngx_int_t   n;
    ngx_str_t  *value;

    value = cf->args->elts;

    n = value[1].len && value[1].data[value[1].len - 1] == '%'
        ? ngx_atoi(value[1].data, value[1].len - 1) : NGX_ERROR;

    if (n == NGX_ERROR || n < word->min || n > word->max) {
        return ngx_http_ai_conf_block_invalid(cf, block, word, &value[1]);
    }

    *(ngx_uint_t *) ((char *) block->object + word->offset) = n;

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_conf_class_retry(ngx_conf_t *cf, ngx_http_ai_conf_block_t *block,
    const ngx_http_ai_conf_word_t *word)
{
    ngx_str_t            *value;
    ngx_http_ai_class_t  *class;

    class = block->object;
    value = cf->args->elts;

    if (ngx_http_ai_conf_class_is(&value[1], "first")) {
        class->retry_same = NGX_HTTP_AI_RETRY_SAME_FIRST;

    } else if (ngx_http_ai_conf_class_is(&value[1], "last")) {
        class->retry_same = NGX_HTTP_AI_RETRY_SAME_LAST;

    } else if (ngx_http_ai_conf_class_is(&value[1], "off")) {
        class->retry_same = NGX_HTTP_AI_RETRY_SAME_OFF;

    } else {
        return ngx_http_ai_conf_block_invalid(cf, block, word, &value[1]);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_conf_class_backup(ngx_conf_t *cf, ngx_http_ai_conf_block_t *block,
    const ngx_http_ai_conf_word_t *word)
{
    ngx_str_t            *value;
    ngx_http_ai_class_t  *class;

    class = block->object;
    value = cf->args->elts;

    if (ngx_http_ai_conf_class_is(&value[1], "manual")) {
        class->allow_backup = NGX_HTTP_AI_BACKUP_MANUAL;
        return NGX_CONF_OK;
    }

    return ngx_http_ai_conf_class_flag(cf, block, word);
}


static char *
ngx_http_ai_conf_class_flag(ngx_conf_t *cf, ngx_http_ai_conf_block_t *block,
    const ngx_http_ai_conf_word_t *word)
{
    ngx_str_t   *value;
    ngx_flag_t  *flag;

    value = cf->args->elts;

    flag = (ngx_flag_t *) ((char *) block->object + word->offset);

    if (ngx_http_ai_conf_class_is(&value[1], "on")) {
        *flag = 1;

    } else if (ngx_http_ai_conf_class_is(&value[1], "off")) {
        *flag = 0;

    } else {
        return ngx_http_ai_conf_block_invalid(cf, block, word, &value[1]);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_conf_class_expose(ngx_conf_t *cf, ngx_http_ai_conf_block_t *block,
    const ngx_http_ai_conf_word_t *word)
{
    ngx_str_t            *value;
    ngx_http_ai_class_t  *class;

    class = block->object;
    value = cf->args->elts;

    if (!ngx_http_ai_conf_class_is(&value[1], "trail")) {
        return ngx_http_ai_conf_block_invalid(cf, block, word, &value[1]);
    }

    class->expose_trail = 1;

    return NGX_CONF_OK;
}


/*
 * A time, a number of tokens, or both: whichever is reached first.  A number
 * without a unit is tokens here, against nginx's habit of taking it for
 * seconds, which would be a strange thing to hold an answer for.
 */

static char *
ngx_http_ai_conf_class_hold(ngx_conf_t *cf, ngx_http_ai_conf_block_t *block,
    const ngx_http_ai_conf_word_t *word)
{
    ngx_int_t             n;
    ngx_str_t            *value;
    ngx_uint_t            i, times, tokens;
    ngx_http_ai_class_t  *class;

    class = block->object;
    value = cf->args->elts;

    times = 0;
    tokens = 0;

    for (i = 1; i < cf->args->nelts; i++) {

        n = ngx_http_ai_conf_class_tokens(&value[i]);

        if (n != NGX_ERROR) {
            class->hold_tokens = n;
            tokens++;

        } else if (ngx_http_ai_conf_class_msec(word, &value[i], &class->hold)
                   == NGX_OK)
        {
            times++;

        } else {
            return ngx_http_ai_conf_block_invalid(cf, block, word, &value[i]);
        }

        if (times > 1 || tokens > 1) {
            return ngx_http_ai_conf_block_invalid(cf, block, word, &value[i]);
        }
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_ai_conf_class_tokens(ngx_str_t *value)
{
    size_t     n;
    ngx_int_t  tokens;

    n = value->len;

    if (n > 1 && value->data[n - 1] == 't') {
        n--;
    }

    tokens = ngx_atoi(value->data, n);

    return tokens > NGX_HTTP_AI_CLASS_HOLD ? NGX_ERROR : tokens;
}


static char *
ngx_http_ai_conf_class_queue(ngx_conf_t *cf, ngx_http_ai_conf_block_t *block,
    const ngx_http_ai_conf_word_t *word)
{
    ngx_int_t             max;
    ngx_str_t            *value;
    ngx_http_ai_class_t  *class;

    class = block->object;
    value = cf->args->elts;

    if (ngx_http_ai_conf_class_msec(word, &value[1], &class->queue)
        != NGX_OK)
    {
        return ngx_http_ai_conf_block_invalid(cf, block, word, &value[1]);
    }

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    max = NGX_ERROR;

    if (class->queue && value[2].len > 4
        && ngx_strncmp(value[2].data, "max=", 4) == 0)
    {
        max = ngx_atoi(value[2].data + 4, value[2].len - 4);
    }

    if (max < 1 || max > NGX_HTTP_AI_ZONE_SLOTS) {
        return ngx_http_ai_conf_block_invalid(cf, block, word, &value[2]);
    }

    class->queue_max = max;

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_conf_class_accounts(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block, const ngx_http_ai_conf_word_t *word)
{
    ngx_str_t            *value, *name;
    ngx_uint_t            i, j;
    ngx_http_ai_class_t  *class;

    class = block->object;
    value = cf->args->elts;

    class->names = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                    sizeof(ngx_str_t));
    if (class->names == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_http_ai_conf_place(cf, &class->names_place);

    for (i = 1; i < cf->args->nelts; i++) {

        for (j = 1; j < i; j++) {

            if (value[j].len == value[i].len
                && ngx_strncasecmp(value[j].data, value[i].data, value[i].len)
                   == 0)
            {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "duplicate account \"%V\" in \"accounts\" "
                                   "of ai_class \"%V\"", &value[i],
                                   block->name);
                return NGX_CONF_ERROR;
            }
        }

        name = ngx_array_push(class->names);
        if (name == NULL) {
            return NGX_CONF_ERROR;
        }

        *name = value[i];
    }

    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_http_ai_conf_class_is(ngx_str_t *value, const char *word)
{
    return value->len == ngx_strlen(word)
           && ngx_strncmp(value->data, word, value->len) == 0;
}


char *
ngx_http_ai_conf_default_class(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_main_conf_t  *amcf = conf;

    ngx_str_t  *value;

    if (amcf->default_class_place.file) {
        return "is duplicate";
    }

    value = cf->args->elts;

    amcf->default_class_name = value[1];

    ngx_http_ai_conf_place(cf, &amcf->default_class_place);

    return NGX_CONF_OK;
}


ngx_http_ai_class_t *
ngx_http_ai_conf_find_class(ngx_http_ai_main_conf_t *amcf,
    const ngx_str_t *name)
{
    ngx_uint_t             i;
    ngx_http_ai_class_t  **class;

    class = amcf->classes.elts;

    for (i = 0; i < amcf->classes.nelts; i++) {

        if (class[i]->name.len == name->len
            && ngx_memcmp(class[i]->name.data, name->data, name->len) == 0)
        {
            return class[i];
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_ai_conf_class_resolve(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf)
{
    ngx_uint_t             i;
    ngx_http_ai_class_t  **class;

    if (ngx_http_ai_conf_class_default(cf, amcf) != NGX_OK) {
        return NGX_ERROR;
    }

    class = amcf->classes.elts;

    for (i = 0; i < amcf->classes.nelts; i++) {

        if (class[i]->names == NULL) {
            continue;
        }

        if (ngx_http_ai_conf_class_link(cf, amcf, class[i]) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_http_ai_conf_class_routes(cf, amcf, class[i]);

        if (class[i]->allow_backup) {
            ngx_http_ai_conf_class_backups(cf, amcf, class[i]);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_conf_class_default(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf)
{
    ngx_uint_t                 i;
    ngx_http_ai_class_t      **class;
    ngx_http_ai_conf_list_t   list;

    if (amcf->default_class_place.file == NULL) {
        return NGX_OK;
    }

    amcf->default_class = ngx_http_ai_conf_find_class(amcf,
                                                  &amcf->default_class_name);

    if (amcf->default_class) {
        return NGX_OK;
    }

    class = amcf->classes.elts;

    list.n = 0;

    for (i = 0; i < amcf->classes.nelts; i++) {
        ngx_http_ai_conf_list(&list, "\"%V\"", &class[i]->name);
    }

    ngx_http_ai_conf_list_end(&list);

    ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, &amcf->default_class_place,
                         "unknown class \"%V\" in \"ai_default_class\", write "
                         "one of: %s", &amcf->default_class_name, list.text);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_ai_conf_class_link(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf,
    ngx_http_ai_class_t *class)
{
    ngx_str_t               *name;
    ngx_uint_t               i;
    ngx_http_ai_account_t  **ap;

    name = class->names->elts;

    class->accounts = ngx_array_create(cf->pool, class->names->nelts,
                                       sizeof(ngx_http_ai_account_t *));
    if (class->accounts == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < class->names->nelts; i++) {

        ap = ngx_array_push(class->accounts);
        if (ap == NULL) {
            return NGX_ERROR;
        }

        *ap = ngx_http_ai_conf_link_account(cf, amcf, &name[i],
                                            &class->names_place, "ai_class",
                                            &class->name);
        if (*ap == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* one line for all routes: there may be many of them, and many classes */

static void
ngx_http_ai_conf_class_routes(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf,
    ngx_http_ai_class_t *class)
{
    ngx_uint_t                 i;
    ngx_http_ai_route_t      **route;
    ngx_http_ai_conf_list_t   list;

    list.n = 0;

    route = amcf->routes.elts;

    for (i = 0; i < amcf->routes.nelts; i++) {
        if (!ngx_http_ai_conf_class_serves(class, route[i])) {
            ngx_http_ai_conf_list(&list, "\"%V\"", &route[i]->name);
        }
    }

    if (list.n == 0) {
        return;
    }

    ngx_http_ai_conf_list_end(&list);

    ngx_http_ai_conf_log(cf, NGX_LOG_WARN, &class->names_place,
                         "\"accounts\" of ai_class \"%V\" has no account of "
                         "the routes %s: their models are not available to "
                         "this class", &class->name, list.text);
}


/* a route that has lost its own targets has been named already */

static void
ngx_http_ai_conf_class_backups(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf,
    ngx_http_ai_class_t *class)
{
    ngx_uint_t                 i, j;
    ngx_http_ai_route_t      **route;
    ngx_http_ai_backup_t      *b;
    ngx_http_ai_conf_list_t   list;

    route = amcf->routes.elts;

    for (i = 0; i < amcf->routes.nelts; i++) {

        if (!ngx_http_ai_conf_class_serves(class, route[i])) {
            continue;
        }

        list.n = 0;

        b = route[i]->backups.elts;

        for (j = 0; j < route[i]->backups.nelts; j++) {
            if (!ngx_http_ai_conf_class_serves(class, b[j].route)) {
                ngx_http_ai_conf_list(&list, "\"%V\"", &b[j].model);
            }
        }

        if (list.n == 0) {
            continue;
        }

        ngx_http_ai_conf_list_end(&list);

        ngx_http_ai_conf_log(cf, NGX_LOG_WARN, &class->names_place,
                             "\"accounts\" of ai_class \"%V\" has no account "
                             "of the backup models %s of ai_route \"%V\", add "
                             "one, or write \"allow_backup off;\"",
                             &class->name, list.text, &route[i]->name);
    }
}


ngx_uint_t
ngx_http_ai_conf_class_serves(const ngx_http_ai_class_t *class,
    const ngx_http_ai_route_t *route)
{
    ngx_uint_t                   i;
    const ngx_http_ai_target_t  *t;

    t = route->targets.elts;

    for (i = 0; i < route->targets.nelts; i++) {
        if (ngx_http_ai_conf_class_has(class, t[i].account)) {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_http_ai_conf_class_has(const ngx_http_ai_class_t *class,
    const ngx_http_ai_account_t *account)
{
    ngx_uint_t               i;
    ngx_http_ai_account_t  **ap;

    if (class->accounts == NULL) {
        return 1;
    }

    ap = class->accounts->elts;

    for (i = 0; i < class->accounts->nelts; i++) {
        if (ap[i] == account) {
            return 1;
        }
    }

    return 0;
}


/* a family that is not known may be any other */

ngx_uint_t
ngx_http_ai_conf_class_takes(const ngx_http_ai_class_t *class,
    const ngx_http_ai_route_t *route, const ngx_http_ai_backup_t *backup)
{
    const ngx_str_t  *one, *two;

    if (!class->allow_backup || class->allow_family_switch) {
        return class->allow_backup != 0;
    }

    one = &route->family;
    two = &backup->route->family;

    return one->len && one->len == two->len
           && ngx_strncasecmp(one->data, two->data, one->len) == 0;
}
