
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* one cell at one moment, for people who ask what would happen */


#include "ngx_http_ai_health_nodes.h"


static void ngx_http_ai_health_survey_breaker(const ngx_http_ai_breaker_t *b,
    const ngx_http_ai_account_t *account, ngx_http_ai_survey_t *survey);


void
ngx_http_ai_health_survey(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_survey_t *survey)
{
    ngx_http_ai_nodes_t         nodes;
    ngx_http_ai_account_node_t  *an;

    ngx_memzero(survey, sizeof(ngx_http_ai_survey_t));
    survey->early = 1;

    ngx_http_ai_zone_lock(zone);

    ngx_http_ai_health_find_locked(zone, cell, &nodes);
    an = nodes.account;

    /* of two that are not closed the account's own says more */

    if (nodes.cell) {
        ngx_http_ai_health_survey_breaker(&nodes.cell->breaker, cell->account,
                                          survey);
    }

    if (an) {
        survey->inflight = an->inflight;
        survey->operate = an->operate;

        if (an->breaker.state != NGX_HTTP_AI_BREAKER_CLOSED) {
            ngx_http_ai_health_survey_breaker(&an->breaker, cell->account,
                                              survey);
            survey->connections = 1;
        }
    }

    ngx_http_ai_health_limits_locked(zone, an, cell->account,
                                     &survey->limits);

    if (survey->operate == NGX_HTTP_AI_OPERATE_ENABLE && nodes.model) {
        survey->operate = nodes.model->operate;
    }

    if (survey->operate == NGX_HTTP_AI_OPERATE_ENABLE && nodes.cell) {
        survey->operate = nodes.cell->operate;
    }

    ngx_http_ai_zone_unlock(zone);
}


static void
ngx_http_ai_health_survey_breaker(const ngx_http_ai_breaker_t *b,
    const ngx_http_ai_account_t *account, ngx_http_ai_survey_t *survey)
{
    ngx_http_ai_breaker_check(b, &account->breaker, ngx_current_msec,
                              &survey->breaker);

    survey->since = b->since;

    if (survey->breaker.gate == NGX_HTTP_AI_BREAKER_REFUSE
        && !ngx_http_ai_health_early(b))
    {
        survey->early = 0;
    }
}
