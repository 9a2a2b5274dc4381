# Copyright (C) nginx-ai-route contributors

# From a provider's answer to a verdict, and from the verdict to what the
# client is told when nobody else can answer: every class, all dialects, as a
# status with a body, as an error under a 200 and as the first event of a
# stream.
#
# The fault is in the model's name, so that each case has a cell of its own.
# Accounts have the names of their providers; all are one simulated provider.

use lib 't/lib';
use AIRoute providers => [qw(a)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AILog;
use AIServer;

use JSON::PP ();

$ENV{TEST_NGINX_OWN} = free_port();

our @accounts = qw(openai azure anthropic gemini bedrock mistral groq deepseek
                   xai openrouter vllm compatible);

my $http = ai_log() . <<'END' . join '', map { <<"END" } @accounts;
ai_usage off;

ai_class default { expose trail; deadline 5s; attempts 3; retry_same off;
                   max_wait off; first_byte 400ms; first_token 400ms; }
ai_breaker failures=0 rate=100;
upstream dead { server 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    ai_account provider=openai base=http://dead/v1; }
ai_route dead { target dead; }
END
upstream $_ { server 127.0.0.1:\$TEST_NGINX_PROVIDER_A; keepalive 4;
    ai_account provider=$_ base=http://$_/v1; }
ai_route $_+* { target $_; }
END

check_blocks(http => $http, reset => [qw(a)],
             perl => sub { eval shift });

# What the client must never read: it is about our account.
sub is_ours {
    my ($r, $what) = @_;

    my $said = $r->{body} =~ s{the model \\"[^"]*\\"|cause: \w+}{}gr;

    unlike($said, qr/api[ _-]key|sk-sim|organi[sz]ation|sim-org|billing|
                          credit|quota|platform\.openai/ix,
           "$what: nothing about our account");
}

# One case: (account, fault, verdict, status, code), where the code is "own"
# if the provider's own body is to pass.
sub verdict {
    my ($account, $sim, $verdict, $status, $code, %o) = @_;
    my $what = "$account $sim" . ($o{stream} ? ' (stream)' : '');
    my $r = ask(model => "$account+sim:$sim", %o);
    my ($upstream) = $sim =~ /^error_first/ ? 200
                   : $sim =~ /(?:^|status=)(\d{3})/ ? $1 : 0;

    is(trail($r), "$account=$upstream/$verdict", "$what: verdict");
    is($r->{status}, $status, "$what: status");
    ok($r->{complete}, "$what: complete");

    if ($code eq 'own') {
        unlike($r->{body}, qr/no account could answer/, "$what: its own body");
        is($r->{h}{'retry-after'}, undef, "$what: no Retry-After");
    } else {
        is(error_code($r), $code, "$what: code");
        is_ours($r, $what);
        like($r->{h}{'x-should-retry'} || '', qr/^(?:true|false)$/,
             "$what: x-should-retry");
    }
    operator_reset($account);
    return $r;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: OpenAI
--- check
verdict('openai', @$_) for
    ['401', 'auth', 502, 'upstream_auth'],
    ['status=401,code=account_deactivated', 'account_disabled', 502,
     'upstream_auth'],
    ['403', 'permission', 502, 'upstream_auth'],
    ['404', 'model_not_found', 404, 'own'],
    ['status=400,code=model_not_found', 'model_not_found', 400, 'own'],
    ['status=400,code=context_length_exceeded', 'context_length', 400, 'own'],
    ['status=400,code=content_filter', 'content_filter', 400, 'own'],
    ['status=400,code=billing_hard_limit_reached', 'quota_exhausted', 503,
     'no_target'],
    ['400', 'invalid_request', 400, 'own'],
    ['422', 'invalid_request', 422, 'own'],
    ['405', 'invalid_request', 405, 'own'],
    ['402', 'quota_exhausted', 503, 'no_target'],
    ['409', 'conflict', 409, 'own'],
    ['413', 'request_too_large', 413, 'request_too_large'],
    ['429', 'rate_limit', 429, 'rate_limit_exceeded'],
    ['status=429,code=tokens', 'rate_limit', 429, 'rate_limit_exceeded'],
    ['status=429,code=request_too_large', 'request_too_large', 413,
     'request_too_large'],
    ['status=429,code=insufficient_quota', 'quota_exhausted', 503,
     'no_target'],
    ['status=429,code=billing_not_active', 'quota_exhausted', 503,
     'no_target'],
    ['status=429,code=credit_balance_exhausted', 'quota_exhausted', 503,
     'no_target'],
    ['status=429,code=organization_spend_limit_exceeded', 'quota_exhausted',
     503, 'no_target'],
    ['status=429,code=project_spend_limit_exceeded', 'quota_exhausted', 503,
     'no_target'],
    ['status=429,code=slow_down', 'slow_down', 429, 'rate_limit_exceeded'],
    ['500', 'server_error', 502, 'upstream_error'],
    ['503', 'overloaded', 503, 'no_target'],
    ['529', 'overloaded', 503, 'no_target'];



=== TEST 2: Azure
--- check
verdict('azure', @$_) for
    ['status=401,dialect=azure', 'auth', 502, 'upstream_auth'],
    ['status=403,dialect=azure', 'account_disabled', 502, 'upstream_auth'],
    ['status=404,dialect=azure', 'model_not_found', 404, 'own'],
    ['status=400,dialect=azure,code=content_filter', 'content_filter', 400,
     'own'],
    ['status=400,dialect=azure,code=context_length_exceeded',
     'context_length', 400, 'own'],
    ['status=429,dialect=azure', 'rate_limit', 429, 'rate_limit_exceeded'],
    ['status=429,dialect=azure,code=overloaded', 'overloaded', 503,
     'no_target'],
    ['status=429,dialect=azure,code=insufficient_quota', 'quota_exhausted',
     503, 'no_target'];

# its content filter under a 200
verdict('azure', 'error_first,status=400,dialect=azure,code=content_filter',
        'content_filter', 400, 'content_filter');

# both hints at once: the longer one
my $r = verdict('azure', 'status=429,dialect=azure,retry_after=6,'
                . 'retry_after_ms=0', 'rate_limit', 429,
                'rate_limit_exceeded');
like($r->{h}{'retry-after'}, qr/^[67]$/, 'the longer hint');



=== TEST 3: Anthropic
--- check
for my $path ('/v1/messages', '/v1/chat/completions') {
    verdict('anthropic', "$$_[0],dialect=anthropic", @$_[1 .. 2],
            $path =~ /messages/ && $$_[3] ne 'own' ? '-' : $$_[3],
            path => $path) for
        ['status=400', 'invalid_request', 400, 'own'],
        ['status=400,code=context_length_exceeded', 'context_length', 400,
         'own'],
        ['status=400,code=insufficient_quota', 'quota_exhausted', 503,
         'no_target'],
        ['status=401', 'auth', 502, 'upstream_auth'],
        ['status=402', 'quota_exhausted', 503, 'no_target'],
        ['status=403', 'permission', 502, 'upstream_auth'],
        ['status=404', 'model_not_found', 404, 'own'],
        ['status=409', 'conflict', 409, 'own'],
        ['status=413', 'request_too_large', 413, 'request_too_large'],
        ['status=429', 'rate_limit', 429, 'rate_limit_exceeded'],
        ['status=429,code=slow_down', 'slow_down', 429,
         'rate_limit_exceeded'],
        ['status=429,code=insufficient_quota', 'quota_exhausted', 503,
         'no_target'],
        ['status=500', 'server_error', 502, 'upstream_error'],
        ['status=504', 'timeout', 504, 'deadline_exceeded'],
        ['status=529', 'overloaded', 503, 'no_target'];
}

# the gateway's own words in the client's dialect
my $r = ask(path => '/v1/messages', model => 'anthropic+sim:401');
my $json = JSON::PP::decode_json($r->{body});
is("$json->{type} $json->{error}{type}", 'error api_error', 'dialect');
is($json->{request_id}, $r->{id}, 'request id');
operator_reset('anthropic');
$json = JSON::PP::decode_json(ask(path => '/v1/messages',
            model => 'anthropic+sim:status=429,retry_after=9')->{body});
is($json->{error}{type}, 'rate_limit_error', 'a rate limit\'s type');



=== TEST 4: Gemini
--- check
verdict('gemini', "$$_[0],dialect=gemini", @$_[1 .. 3]) for
    ['status=400', 'invalid_request', 400, 'own'],
    ['status=400,code=invalid_api_key', 'auth', 502, 'upstream_auth'],
    ['status=400,code=context_length_exceeded', 'context_length', 400, 'own'],
    ['status=401', 'auth', 502, 'upstream_auth'],
    ['status=402', 'quota_exhausted', 503, 'no_target'],
    ['status=403', 'permission', 502, 'upstream_auth'],
    ['status=404', 'model_not_found', 404, 'own'],
    ['status=429', 'rate_limit', 429, 'rate_limit_exceeded'],
    ['status=429,code=rate_limit_day', 'rate_limit_day', 429,
     'rate_limit_exceeded'],
    ['status=429,code=insufficient_quota', 'quota_exhausted', 503,
     'no_target'],
    ['status=500', 'server_error', 502, 'upstream_error'],
    ['status=503', 'overloaded', 503, 'no_target'],
    ['status=504', 'timeout', 504, 'deadline_exceeded'];

# its hint is in the body
my $r = verdict('gemini', 'status=429,dialect=gemini,retry_delay=34.4s',
                'rate_limit', 429, 'rate_limit_exceeded');
like($r->{h}{'retry-after'}, qr/^3[456]$/, 'RetryInfo');
is($r->{h}{'x-should-retry'}, 'true', 'RetryInfo: worth a retry');



=== TEST 5: Bedrock, by its header
--- check
verdict('bedrock', "$$_[0],dialect=bedrock", @$_[1 .. 3]) for
    ['status=400', 'invalid_request', 400, 'own'],
    ['status=400,code=context_length_exceeded', 'context_length', 400, 'own'],
    ['status=400,code=model_not_found', 'model_not_found', 400, 'own'],
    ['status=400,code=quota', 'rate_limit', 429, 'rate_limit_exceeded'],
    ['status=403', 'permission', 502, 'upstream_auth'],
    ['status=403,code=invalid_api_key', 'auth', 502, 'upstream_auth'],
    ['status=403,code=expired', 'auth', 502, 'upstream_auth'],
    ['status=404', 'model_not_found', 404, 'own'],
    ['status=408', 'timeout', 504, 'deadline_exceeded'],
    ['status=424', 'server_error', 502, 'upstream_error'],
    ['status=429', 'rate_limit', 429, 'rate_limit_exceeded'],
    ['status=429,code=overloaded', 'overloaded', 503, 'no_target'],
    ['status=500', 'server_error', 502, 'upstream_error'],
    ['status=503', 'overloaded', 503, 'no_target'];



=== TEST 6: the others
--- check
verdict($$_[0], "$$_[1],dialect=$$_[0]", @$_[2 .. 4]) for
    ['mistral', 'status=401', 'auth', 502, 'upstream_auth'],
    ['mistral', 'status=400', 'model_not_found', 400, 'own'],
    ['mistral', 'status=422', 'invalid_request', 422, 'own'],
    ['mistral', 'status=429', 'rate_limit', 429, 'rate_limit_exceeded'],
    ['mistral', 'status=429,code=overloaded', 'overloaded', 503, 'no_target'],
    ['mistral', 'status=500', 'server_error', 502, 'upstream_error'],
    ['groq', 'status=400', 'generation_failed', 400, 'own'],
    ['groq', 'status=400,code=context_length_exceeded', 'context_length', 400,
     'own'],
    ['groq', 'status=401', 'auth', 502, 'upstream_auth'],
    ['groq', 'status=404', 'model_not_found', 404, 'own'],
    ['groq', 'status=413', 'request_too_large', 413, 'request_too_large'],
    ['groq', 'status=429', 'rate_limit', 429, 'rate_limit_exceeded'],
    ['groq', 'status=498', 'overloaded', 503, 'no_target'],
    ['deepseek', 'status=400,code=context_length_exceeded', 'context_length',
     400, 'own'],
    ['deepseek', 'status=401', 'auth', 502, 'upstream_auth'],
    ['deepseek', 'status=402', 'quota_exhausted', 503, 'no_target'],
    ['deepseek', 'status=429', 'rate_limit', 429, 'rate_limit_exceeded'],
    ['deepseek', 'status=503', 'overloaded', 503, 'no_target'],
    ['xai', 'status=400', 'auth', 502, 'upstream_auth'],
    ['xai', 'status=400,code=context_length_exceeded', 'context_length', 400,
     'own'],
    ['xai', 'status=401', 'auth', 502, 'upstream_auth'],
    ['xai', 'status=403', 'quota_exhausted', 503, 'no_target'],
    ['xai', 'status=404', 'model_not_found', 404, 'own'],
    ['xai', 'status=429', 'rate_limit', 429, 'rate_limit_exceeded'],
    ['xai', 'status=429,code=insufficient_quota', 'quota_exhausted', 503,
     'no_target'],
    ['openrouter', 'status=400,code=context_length_exceeded',
     'context_length', 400, 'own'],
    ['openrouter', 'status=401', 'auth', 502, 'upstream_auth'],
    ['openrouter', 'status=402', 'quota_exhausted', 503, 'no_target'],
    ['openrouter', 'status=403', 'content_filter', 403, 'own'],
    ['openrouter', 'status=429', 'rate_limit', 429, 'rate_limit_exceeded'],
    ['openrouter', 'status=502', 'server_error', 502, 'upstream_error'],
    ['openrouter', 'status=503', 'overloaded', 503, 'no_target'],
    ['openrouter', 'status=504', 'timeout', 504, 'deadline_exceeded'],
    ['vllm', 'status=400,code=context_length_exceeded', 'context_length', 400,
     'own'],
    ['vllm', 'status=401', 'auth', 502, 'upstream_auth'],
    ['vllm', 'status=404', 'model_not_found', 404, 'own'],
    ['vllm', 'status=500', 'server_error', 502, 'upstream_error'];



=== TEST 7: by the status alone
--- check
for my $dialect ('empty', 'html') {
    verdict('compatible', "$$_[0],dialect=$dialect", @$_[1 .. 3]) for
        ['status=400', 'invalid_request', 400, 'own'],
        ['status=406', 'invalid_request', 406, 'own'],
        ['status=415', 'invalid_request', 415, 'own'],
        ['status=422', 'invalid_request', 422, 'own'],
        ['status=401', 'auth', 502, 'upstream_auth'],
        ['status=402', 'quota_exhausted', 503, 'no_target'],
        ['status=403', $dialect eq 'html'
                       ? ('server_error', 502, 'upstream_error')
                       : ('permission', 502, 'upstream_auth')],
        ['status=404', 'model_not_found', 404, 'own'],
        ['status=410', 'model_not_found', 410, 'own'],
        ['status=408', 'timeout', 504, 'deadline_exceeded'],
        ['status=409', 'conflict', 409, 'own'],
        ['status=413', 'request_too_large', 413, 'request_too_large'],
        ['status=424', 'server_error', 502, 'upstream_error'],
        ['status=429', 'rate_limit', 429, 'rate_limit_exceeded'],
        ['status=498', 'overloaded', 503, 'no_target'],
        ['status=500', 'server_error', 502, 'upstream_error'],
        ['status=502', 'server_error', 502, 'upstream_error'],
        ['status=503', 'overloaded', 503, 'no_target'],
        ['status=504', 'timeout', 504, 'deadline_exceeded'],
        ['status=520', 'server_error', 502, 'upstream_error'],
        ['status=521', 'server_error', 502, 'upstream_error'],
        ['status=522', 'timeout', 504, 'deadline_exceeded'],
        ['status=524', 'timeout', 504, 'deadline_exceeded'],
        ['status=525', 'server_error', 502, 'upstream_error'],
        ['status=529', 'overloaded', 503, 'no_target'],
        ['status=302', 'server_error', 502, 'upstream_error'];
}



=== TEST 8: an error under a 200, alone and as the first event of a stream
--- check
for my $stream (0, 1) {
    for (['openai', '', 'server_error', 502, 'upstream_error'],
         ['openai', 'status=429,code=insufficient_quota', 'quota_exhausted',
          503, 'no_target'],
         ['openai', 'status=429,retry_after=9', 'rate_limit', 429,
          'rate_limit_exceeded'],
         ['openai', 'status=401', 'auth', 502, 'upstream_auth'],
         ['openai', 'status=400,code=context_length_exceeded',
          'context_length', 400, 'context_length_exceeded'],
         ['openai', 'status=400,code=content_filter', 'content_filter', 400,
          $stream ? 'content_filter' : 'own'],
         ['openai', 'status=503', 'overloaded', 503, 'no_target'],
         ['vllm', 'status=500,dialect=vllm', 'server_error', 502,
          'upstream_error'],
         ['vllm', 'status=503,dialect=vllm', 'overloaded', 503, 'no_target'],
         ['openrouter', 'status=503,dialect=openrouter', 'overloaded', 503,
          'no_target'],
         ['openrouter', 'status=402,dialect=openrouter', 'quota_exhausted',
          503, 'no_target'],
         ['groq', 'status=400,dialect=groq', 'generation_failed', 502,
          'upstream_error'],
         ['anthropic', 'dialect=anthropic', 'overloaded', 503, 'no_target'],
         ['anthropic', 'dialect=anthropic,status=429', 'rate_limit', 429,
          'rate_limit_exceeded'],
         ['gemini', 'dialect=gemini,status=503', 'overloaded', 503,
          'no_target'],
         ['gemini', 'dialect=gemini,status=429', 'rate_limit', 429,
          'rate_limit_exceeded'])
    {
        my ($account, $sim, @want) = @$_;
        verdict($account, 'error_first' . ($sim && ",$sim") . $_, @want,
                stream => $stream) for '', ',bytewise', ',nochunk';
    }
}

# the other two dialects of streams
verdict('openai', 'error_first,status=429,code=insufficient_quota',
        'quota_exhausted', 503, 'no_target', path => '/v1/responses',
        stream => $_) for 0, 1;
verdict('anthropic', 'error_first', 'overloaded', 503, '-',
        path => '/v1/messages', stream => $_) for 0, 1;



=== TEST 9: no answer at all
--- check
for my $stream (0, 1) {
    for (['reset', '502/reset', 502, 'upstream_error'],
         ['close', '502/reset', 502, 'upstream_error'],
         ['garbage', '502/server_error', 502, 'upstream_error'],
         ['empty', '200/empty', 502, 'upstream_error'],
         ['empty,nochunk', '200/empty', 502, 'upstream_error'],
         ['empty,cl', '200/empty', 502, 'upstream_error'],
         ['hang', '504/timeout', 504, 'deadline_exceeded'],
         ['hang_headers', '200/timeout', 504, 'deadline_exceeded'])
    {
        my ($sim, $verdict, $status, $code) = @$_;
        my $r = ask(model => "openai+sim:$sim", stream => $stream);
        my $what = "$sim " . ($stream ? 'stream' : 'json');

        is(trail($r), "openai=$verdict", "$what: verdict");
        is("$r->{status} " . error_code($r), "$status $code",
           "$what: answer");
        is($r->{h}{'x-should-retry'}, 'false', "$what: x-should-retry");
        ok($r->{complete}, "$what: complete");
    }
}
my $r = ask(model => 'openai+sim:done_only', stream => 1);
is(trail($r), 'openai=200/empty', 'a stream of nothing but [DONE]');
is($r->{status}, 502, 'a stream of nothing but [DONE]: status');
unlike($r->{body}, qr/\[DONE\]/, 'and it does not pass');

$r = ask(model => 'dead');
is(trail($r) . " $r->{status} " . error_code($r),
   'dead=502/connect 502 upstream_error', 'connect');
--- log_ok chomp
Connection refused



=== TEST 10: money that looks like a rate limit, and the reverse
--- routes
upstream own-openai { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=openai base=http://own/v1; }
upstream own-gemini { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=gemini base=http://own/v1; }
upstream own-together { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=together base=http://own/v1; }
upstream own-openrouter { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=openrouter base=http://own/v1; }
ai_route own-openai     { target own-openai; }
ai_route own-gemini     { target own-gemini; }
ai_route own-together   { target own-together; }
ai_route own-openrouter { target own-openrouter; }
--- check
own_server('OWN', sub {
    my ($c, $q) = @_;
    my ($status) = $q =~ /"status":(\d+)/;
    my ($hint) = $q =~ /"hint":(\d+)/;
    my ($body) = $q =~ /"say":(.*),"messages":\[\]\}\z/s;
    syswrite $c, "HTTP/1.1 $status X\r\nContent-Type: application/json\r\n"
                 . ($hint ? "Retry-After: $hint\r\n" : '')
                 . "Connection: close\r\nContent-Length: " . length($body)
                 . "\r\n\r\n$body";
});
my $plan = 'You exceeded your current quota, please check your plan and '
           . 'billing details.';
my $minute = '{"@type":"type.googleapis.com/google.rpc.RetryInfo",'
             . '"retryDelay":"12s"}';

for (['openai', 429, 0, 'quota_exhausted', qq({"error":{"message":"$plan",)
      . '"type":"insufficient_quota","param":null,"code":null}}'],
     ['openai', 429, 0, 'quota_exhausted', '{"error":{"message":"x","type":'
      . '"insufficient_quota","code":"organization_usage_limit_exceeded"}}'],
     ['openai', 429, 0, 'quota_exhausted',
      qq({"error":{"message":"$plan","type":"requests","code":null}})],
     ['openai', 429, 3, 'rate_limit', '{"error":{"message":"Rate limit '
      . 'reached on tokens per min. Visit the billing page to raise it.",'
      . '"type":"tokens","code":"rate_limit_exceeded"}}'],
     ['gemini', 429, 0, 'rate_limit', qq({"error":{"code":429,"message":)
      . qq("$plan","status":"RESOURCE_EXHAUSTED","details":[$minute]}})],
     ['gemini', 429, 0, 'rate_limit', qq([{"error":{"code":429,"message":)
      . qq("$plan","status":"RESOURCE_EXHAUSTED","details":[$minute]}}])],
     ['together', 402, 0, 'quota_exhausted',
      '{"error":{"message":"x","type":"credit_limit","code":null}}'],
     ['together', 429, 0, 'rate_limit', '{"error":{"message":"You have '
      . 'reached 60 queries per second","type":"credit_limit"}}'],
     ['openrouter', 402, 0, 'quota_exhausted', '{"error":{"code":402,'
      . '"message":"Insufficient credits","metadata":{"error_type":'
      . '"payment_required"}}}'],
     ['openrouter', 402, 7, 'rate_limit', '{"error":{"code":402,"message":'
      . '"Payment required: budget in flight","metadata":{"error_type":'
      . '"payment_required"}}}'])
{
    my ($account, $status, $hint, $verdict, $body) = @$_;
    my $r = ask(model => "own-$account", more => qq("status":$status,)
                . qq("hint":$hint,"say":$body,));

    is(trail($r), "own-$account=$status/$verdict",
       substr "$account $status $body", 0, 100);
    is($r->{status}, $verdict eq 'rate_limit' ? 429 : 503, 'status');
    is_ours($r, $account);
    operator_reset("own-$account");
}



=== TEST 11: hints in every spelling
--- check
for (['retry_after=7', 7], ['retry_after=7.6', 8], ['retry_after=date+9', 9],
     ['retry_after_ms=3400', 4], ['retry_after=2,retry_after_ms=9000', 9],
     ['retry_after=0', undef], ['retry_after=-5', undef],
     ['retry_after=soon', undef], ['retry_after=100000', 86400])
{
    my ($hint, $want) = @$_;
    my $r = ask(model => "mistral+sim:status=429,dialect=mistral,$hint");
    my $got = $r->{h}{'retry-after'};

    is($r->{status}, 429, "$hint: status");
    if (defined $want) {
        like($got, qr/^(?:@{[$want - 1]}|$want|@{[$want + 1]})$/,
             "$hint: Retry-After");
        is($r->{h}{'x-should-retry'}, $want > 60 ? 'false' : 'true',
           "$hint: x-should-retry");
    } else {
        # no use, so the cooldown's own five seconds, or none
        ok(!defined $got || $got <= 6, "$hint: Retry-After") or diag($got);
    }
    operator_reset('mistral');
}

# a success's hint means nothing
my $r = ask(model => 'mistral+sim:ok,retry_after=9');
is($r->{status}, 200, 'a success');
$r = ask(model => 'mistral+sim:ok,retry_after=9');
is(trail($r), 'mistral=200/ok', 'a success does not cool down');
