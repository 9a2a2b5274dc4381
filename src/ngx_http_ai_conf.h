
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What the configuration says: accounts, routes, classes.  Built while the
 * configuration is read, resolved once at its end, immutable afterwards.
 */


#ifndef _NGX_HTTP_AI_CONF_H_INCLUDED_
#define _NGX_HTTP_AI_CONF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "pure/ngx_http_ai_breaker.h"
#include "pure/ngx_http_ai_budget.h"
#include "pure/ngx_http_ai_ladder.h"
#include "pure/ngx_http_ai_provider.h"
#include "pure/ngx_http_ai_rate.h"
#include "ngx_http_ai_sink.h"


#define NGX_HTTP_AI_MAX_TARGETS  64      /* in one route */
#define NGX_HTTP_AI_MAX_BACKUPS  16      /* of one route */
#define NGX_HTTP_AI_MAX_MODEL    256     /* bytes of a model's name */
#define NGX_HTTP_AI_MAX_EXPECT   8       /* statuses of ai_health_check */


typedef struct ngx_http_ai_main_conf_s  ngx_http_ai_main_conf_t;
typedef struct ngx_http_ai_zone_s  ngx_http_ai_zone_t;
typedef struct ngx_http_ai_resolve_s  ngx_http_ai_resolve_t;
typedef struct ngx_http_ai_persist_s  ngx_http_ai_persist_t;
typedef struct ngx_http_ai_check_s  ngx_http_ai_check_t;
typedef struct ngx_http_ai_prices_s  ngx_http_ai_prices_t;
typedef struct ngx_http_ai_prices_entry_s  ngx_http_ai_prices_entry_t;
typedef struct ngx_http_ai_keys_s  ngx_http_ai_keys_t;
typedef struct ngx_http_ai_ctx_s  ngx_http_ai_ctx_t;


/* where a configuration entry stands, for messages after parsing */

typedef struct {
    u_char                         *file;
    ngx_uint_t                      line;
} ngx_http_ai_place_t;


/* what an account is held to, ahead of sending; a limit of 0 is none */

typedef struct {
    ngx_http_ai_rate_t              requests;
    ngx_http_ai_rate_t              tokens;
    ngx_uint_t                      concurrent;
    ngx_http_ai_budget_t            budgets[NGX_HTTP_AI_BUDGET_TOTAL];
    ngx_uint_t                      nbudgets;  /* one per kind of period */
} ngx_http_ai_limit_conf_t;


/* ai_health_check: how an account is asked when no client asks it */

typedef struct {
    ngx_msec_t                      interval;  /* 0: never */
    ngx_msec_t                      timeout;   /* less than the interval */
    ngx_str_t                       uri;       /* behind the base's path */
    ngx_flag_t                      head;      /* HEAD instead of GET */
    ngx_flag_t                      idle;      /* not while clients ask */
    ngx_uint_t                      expect[NGX_HTTP_AI_MAX_EXPECT];
                                               /* ends with 0, if not full */
} ngx_http_ai_check_conf_t;


typedef enum {
    NGX_HTTP_AI_BALANCE_WEIGHTED = 0,
    NGX_HTTP_AI_BALANCE_LEAST_BUSY,
    NGX_HTTP_AI_BALANCE_LEAST_TIME,
    NGX_HTTP_AI_BALANCE_LEAST_COST,
    NGX_HTTP_AI_BALANCE_HASH
} ngx_http_ai_balance_e;


/* an upstream block that says ai_account: one credential at one provider */

typedef struct {
    ngx_str_t                       name;
    ngx_http_upstream_srv_conf_t   *uscf;      /* NULL: no ai_account here */
    const ngx_http_ai_provider_t   *provider;

    ngx_str_t                       host;      /* Host header, with port */
    ngx_str_t                       sni;       /* base='s host, no port; IPv6
                                                  keeps its brackets */
    ngx_str_t                       prefix;    /* base='s path, no final "/" */
    ngx_str_t                       owner;
    ngx_str_t                       credential;  /* whole header line with
                                                    CRLF; empty: none */
    ngx_str_t                       trusted;   /* CA file */
    ngx_flag_t                      verify;
    ngx_uint_t                      tls;       /* unsigned  tls:1 */

    /*
     * Stable for the cycle's life: since nginx 1.29.7 its address is the
     * keepalive cache's tag, so one per account, not one per request.
     */
    ngx_http_upstream_conf_t        upstream;

    ngx_http_ai_breaker_conf_t      breaker;   /* the block's, or http's */
    ngx_flag_t                      breaker_set;
    ngx_http_ai_place_t             breaker_place;
    ngx_http_ai_limit_conf_t        limit;
    ngx_flag_t                      limit_set;
    ngx_http_ai_place_t             limit_place;
    ngx_http_ai_check_conf_t        check;
    ngx_flag_t                      check_set;
    ngx_http_ai_place_t             check_place;

    ngx_array_t                    *prices;    /* ai_price in the block, of
                                                  ngx_http_ai_prices_entry_t;
                                                  NULL: none */

    uint32_t                        hash;      /* of the name */
    uint64_t                        purse;     /* 64 bits of the same */
    uint32_t                        credential_hash;  /* a changed one opens
                                                  what the old one closed */
    ngx_uint_t                      watched;   /* unsigned  watched:1; key=file:
                                                  is read when it changes */
    u_char                         *spare;     /* buffer for the next
                                                  credential of the file */
    ngx_msec_t                      resolve_interval;  /* 0: no resolve= */
    ngx_http_ai_resolve_t          *resolve;
    ngx_http_ai_place_t             place;
} ngx_http_ai_account_t;


typedef struct {
    ngx_str_t                       name;      /* account's, as written */
    ngx_http_ai_account_t          *account;
    ngx_str_t                       model;     /* upstream name; empty: the
                                                  client's own */
    ngx_str_t                       model_json;  /* quoted and escaped */
    uint64_t                        model_hash;
    const ngx_http_ai_prices_entry_t  *price;  /* of the upstream name; NULL:
                                                  not known by it alone */
    ngx_uint_t                      weight;
    ngx_uint_t                      tier;
    ngx_http_ai_place_t             place;
} ngx_http_ai_target_t;


typedef struct ngx_http_ai_route_s  ngx_http_ai_route_t;


/* an approved backup model: another route, under a name it serves */

typedef struct {
    ngx_str_t                       model;
    ngx_str_t                       model_json;
    uint64_t                        model_hash;
    ngx_http_ai_route_t            *route;
    uint64_t                        window;    /* its route's, or its own by
                                                  the price map; 0: not
                                                  known */
    ngx_http_ai_place_t             place;
} ngx_http_ai_backup_t;


struct ngx_http_ai_route_s {
    ngx_str_t                       name;      /* the first pattern */
    ngx_array_t                     patterns;  /* of ngx_str_t */
    ngx_array_t                     targets;   /* of ngx_http_ai_target_t,
                                                  by tier, then as written */
    ngx_array_t                     backups;   /* of ngx_http_ai_backup_t,
                                                  in order */
    ngx_http_ai_balance_e           balance;
    ngx_http_complex_value_t       *hash_key;  /* of balance hash; NULL: the
                                                  default key */
    uint64_t                        window;    /* context, in tokens; 0: not
                                                  known */
    ngx_uint_t                      window_set;  /* unsigned  window_set:1;
                                                    by "window", not by the
                                                    price map */
    ngx_str_t                       family;    /* of models; empty: not
                                                  known */
    uint32_t                        hash;      /* names the balancer's state
                                                  in the zone */
    ngx_http_ai_place_t             place;
};


/* one model name or "prefix*", in the order of matching */

typedef struct {
    ngx_str_t                       prefix;
    ngx_http_ai_route_t            *route;
} ngx_http_ai_pattern_t;


/* allow_backup: when an operator has opened the class's gate */
#define NGX_HTTP_AI_BACKUP_MANUAL  2


/* a traffic class: the policy for one kind of workload; times are in ms */

typedef struct {
    ngx_str_t                       name;
    ngx_msec_t                      connect;
    ngx_msec_t                      send;
    ngx_msec_t                      first_byte;   /* 0: the deadline */
    ngx_msec_t                      first_token;
    ngx_msec_t                      stall;
    ngx_msec_t                      max_duration; /* 0: none */
    ngx_msec_t                      deadline;
    ngx_msec_t                      max_wait;     /* short wait; 0: none */
    ngx_msec_t                      hold;         /* 0: first content only */
    ngx_uint_t                      hold_tokens;  /* 0: not by tokens */
    ngx_msec_t                      queue;        /* 0: no queue */
    ngx_uint_t                      queue_max;    /* requests parked at once */
    ngx_uint_t                      priority;     /* 0..9, 9 goes first */
    ngx_uint_t                      yield;        /* percent of accounts'
                                                     limits left to others */
    ngx_uint_t                      reserve_output;  /* tokens, where the
                                                     request has no limit */
    ngx_uint_t                      attempts;
    ngx_http_ai_retry_same_e        retry_same;
    ngx_flag_t                      allow_backup;  /* or BACKUP_MANUAL */
    ngx_flag_t                      allow_costlier;
    ngx_flag_t                      allow_family_switch;
    int64_t                         max_input; /* picodollars per token; -1: */
    int64_t                         max_output;    /* no limit */
    ngx_http_ai_place_t             max_price_place;
    ngx_flag_t                      expose_trail;
    ngx_array_t                    *accounts;  /* of ngx_http_ai_account_t *;
                                                  NULL: all */
    ngx_array_t                    *names;     /* of ngx_str_t, before they
                                                  are resolved */
    ngx_http_ai_place_t             names_place;
    ngx_http_ai_place_t             place;
} ngx_http_ai_class_t;


struct ngx_http_ai_main_conf_s {
    ngx_array_t                     accounts;  /* of ngx_http_ai_account_t * */
    ngx_array_t                    *watches;   /* of ngx_http_ai_watch_t *;
                                                  NULL: none */
    ngx_array_t                    *checks;    /* of ngx_http_ai_check_t, the
                                                  worker's; NULL: none */
    ngx_array_t                     routes;    /* of ngx_http_ai_route_t * */
    ngx_http_ai_route_t             resources; /* all accounts, for what names
                                                  no model */

    ngx_array_t                     exact;     /* of ngx_http_ai_pattern_t,
                                                  sorted by name */
    ngx_array_t                     patterns;  /* of ngx_http_ai_pattern_t,
                                                  longest first */

    ngx_http_ai_breaker_conf_t      breaker;
    ngx_flag_t                      breaker_set;
    ngx_http_ai_place_t             breaker_place;

    ngx_array_t                     classes;   /* of ngx_http_ai_class_t * */
    ngx_http_ai_class_t            *default_class;
    ngx_str_t                       default_class_name;  /* empty: built-in */
    ngx_http_ai_place_t             default_class_place;

    ngx_http_ai_keys_t             *keys;      /* NULL: open to everybody */

    ngx_http_ai_zone_t             *zone;
    ngx_str_t                       zone_name;
    size_t                          zone_size;
    ngx_http_ai_persist_t          *persist;   /* NULL: no state= */

    ngx_http_ai_sink_conf_t         sink;
    ngx_flag_t                      sink_set;

    ngx_http_ai_prices_t           *prices;    /* never NULL */

    ngx_http_upstream_srv_conf_t   *upstream;  /* ours: its peer.init wraps
                                                  the accounts' balancers */
    ngx_http_upstream_conf_t        hide;      /* lends the accounts its
                                                  hide_headers_hash */
    ngx_hash_t                      not_forwarded;  /* request headers */
    ngx_hash_t                      not_returned;   /* answer headers */

    ngx_uint_t                      used;      /* some location has ai_pass */
    ngx_http_ai_place_t             used_place;  /* the first of these */
    ngx_uint_t                      metered;   /* some location has ai_meter */
    ngx_uint_t                      unread;    /* NGX_HTTP_AI_METER_*, what
                                                  this worker has logged */
};


typedef struct {
    ngx_flag_t                      pass;
    ngx_flag_t                      status;    /* ai_status */
    ngx_flag_t                      meter;     /* ai_meter */
    ngx_str_t                       admin;     /* SHA-256 of the operator's
                                                  bearer, 32 bytes; empty: no
                                                  actions */
    ngx_str_t                       prefix;    /* the location's own name */
    u_char                         *page_policy;  /* of the dashboard, ends
                                                     with a NUL; NULL: no
                                                     ai_status */
    ngx_http_ai_place_t             place;
    ngx_http_ai_place_t             meter_place;
} ngx_http_ai_loc_conf_t;


extern ngx_module_t  ngx_http_ai_route_module;

/* lowercase names of answer headers, ends with an empty one */
extern ngx_str_t  ngx_http_ai_not_returned[];


void *ngx_http_ai_conf_create_main(ngx_conf_t *cf);
void *ngx_http_ai_conf_create_account(ngx_conf_t *cf);
void *ngx_http_ai_conf_create_loc(ngx_conf_t *cf);
char *ngx_http_ai_conf_merge_loc(ngx_conf_t *cf, void *parent, void *child);

/* the directives' setters */

char *ngx_http_ai_conf_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_ai_conf_usage(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_ai_conf_keys(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_ai_conf_key(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_ai_conf_account(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_ai_conf_route(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_ai_conf_class(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_ai_conf_default_class(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_ai_conf_breaker(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_ai_conf_limit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_ai_conf_check(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_ai_conf_prices(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_ai_conf_price(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_ai_conf_pass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_ai_conf_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_ai_conf_meter(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * Resolves names to objects and checks what only the whole configuration
 * tells; the order of directives therefore never matters.
 */
ngx_int_t ngx_http_ai_conf_resolve(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf);

/* remembers where the directive being read stands */
void ngx_http_ai_conf_place(ngx_conf_t *cf, ngx_http_ai_place_t *place);

/* like ngx_conf_log_error(), for a place that was left behind */
void ngx_http_ai_conf_log(ngx_conf_t *cf, ngx_uint_t level,
    const ngx_http_ai_place_t *place, const char *fmt, ...);

/* NULL if there is no such account; the names have no case */
ngx_http_ai_account_t *ngx_http_ai_conf_find_account(
    ngx_http_ai_main_conf_t *amcf, const ngx_str_t *name);

/* NULL if there is no such class */
ngx_http_ai_class_t *ngx_http_ai_conf_find_class(
    ngx_http_ai_main_conf_t *amcf, const ngx_str_t *name);

/* 1: the account may serve the class */
ngx_uint_t ngx_http_ai_conf_class_has(const ngx_http_ai_class_t *class,
    const ngx_http_ai_account_t *account);

/* 1: an account of the route may serve the class */
ngx_uint_t ngx_http_ai_conf_class_serves(const ngx_http_ai_class_t *class,
    const ngx_http_ai_route_t *route);

/* 1: a backup model of this route may answer, as far as its family goes */
ngx_uint_t ngx_http_ai_conf_class_takes(const ngx_http_ai_class_t *class,
    const ngx_http_ai_route_t *route, const ngx_http_ai_backup_t *backup);

/* as "balance" in ai_route spells it */
const ngx_str_t *ngx_http_ai_conf_balance_name(ngx_http_ai_balance_e balance);

/* longest match; NULL if no route serves the model */
ngx_http_ai_route_t *ngx_http_ai_conf_find_route(
    ngx_http_ai_main_conf_t *amcf, const ngx_str_t *model);


#endif /* _NGX_HTTP_AI_CONF_H_INCLUDED_ */
