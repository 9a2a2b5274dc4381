# Copyright (C) nginx-ai-route contributors

# Failover: what counts as a failed attempt, where the request goes next, what
# the client gets when nobody answers, and what nginx's own variables say.
#
# A block's "check" is Perl that runs while its nginx does; "routes" is added
# to the upstream blocks that all of them share.

use lib 't/lib';
use AIRoute providers => [qw(a b c d)], key => [qw(key-a key-b key-c key-d)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AILog;
use AIServer;

use IO::Socket::INET ();
use JSON::PP ();
use Time::HiRes qw(time sleep);

$ENV{AI_TEST_KEY_A} = 'key-a';
$ENV{AI_TEST_KEY_B} = 'key-b';
$ENV{AI_TEST_KEY_C} = 'key-c';
$ENV{AI_TEST_KEY_D} = 'key-d';
$ENV{TEST_NGINX_OWN} = free_port();
$ENV{TEST_NGINX_OWN2} = free_port();

my $http = ai_log() . <<'END';
ai_usage off;

# what retries and pauses add is t/101's
ai_class default { retry_same off; max_wait off; }

ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 4;
    ai_account provider=compatible base=http://a.test/v1
               key=env:AI_TEST_KEY_A; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 4;
    ai_account provider=compatible base=http://b.test/v1
               key=env:AI_TEST_KEY_B; }
upstream c { server 127.0.0.1:$TEST_NGINX_PROVIDER_C; keepalive 4;
    ai_account provider=openai base=http://c.test/deep/er/v1
               key=env:AI_TEST_KEY_C; }
upstream d { server 127.0.0.1:$TEST_NGINX_PROVIDER_D;
    $TEST_NGINX_NO_KEEPALIVE
    ai_account provider=vllm base=http://d.test:81
               key=env:AI_TEST_KEY_D; }
upstream dead { server 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    ai_account provider=compatible base=http://dead/v1; }

ai_route dead   { target dead; }
ai_route m      { target a; target b tier=2; }
ai_route alone  { target a; }
ai_route tiers  { target a; target b tier=2 model=m-b;
                  target c tier=3 model=m-c; target d tier=4; }
END

check_blocks(http => $http, reset => [qw(a b c d)],
             perl => sub { eval shift });

# A new fault, met by accounts that nothing is remembered of.

sub fault {
    provider_fault(@_);
    accounts_open(qw(a b c d dead first half none down pool pair own full));
}

sub addr { return join ', ', map { "127.0.0.1:$_" } @_ }

# OpenAI's error shape, complete and with the request's id
sub is_error {
    my ($r, $status, $code, $what) = @_;
    my $json = eval { JSON::PP::decode_json($r->{body}) } || {};
    my $e = ref $json->{error} eq 'HASH' ? $json->{error} : {};
    no warnings 'uninitialized';

    is("$r->{status} $r->{h}{'content-type'}", "$status application/json",
       "$what: status and type");
    is("$e->{code} of " . join(',', sort keys %$e),
       "$code of code,message,param,type", "$what: OpenAI's members");
    like("$e->{message}|$e->{type}", qr/\w.*\|\w/, "$what: with words");
    is("$json->{request_id} $r->{h}{'x-request-id'}", "$r->{id} $r->{id}",
       "$what: the request's id in body and head");
    ok($r->{complete}, "$what: complete");
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: an attempt that fails before its answer moves on, whatever it was
--- routes
upstream first { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    $TEST_NGINX_NO_KEEPALIVE
    ai_account provider=compatible base=http://a/v1 key=env:AI_TEST_KEY_A; }
ai_route first { target first; target b tier=2; }
--- check
for my $sim (qw(429 500 502 503 504 520 529 401 402 403 404 reset reset_early
                close garbage empty malformed=1 cut=1 cut_mid=1
                bigheader=40000), "badchunk=1 chunked",
             'status=429 code=insufficient_quota', 'status=500 bytewise',
             'status=500 chunked', 'status=500 chunked bytewise',
             'status=503 nochunk', 'status=429 retry_after=7 nochunk bytewise',
             'status=502 dialect=html', 'status=502 dialect=html nochunk',
             'status=503 dialect=empty', 'status=503 dialect=empty nochunk',
             'status=400 code=billing_hard_limit_reached',
             'status=529 dialect=anthropic', 'status=500 continue',
             'error_first', 'error_first chunked', 'empty nochunk',
             'cut=1 nochunk', 'error_first nochunk')
{
    provider_reset(qw(a b));
    fault('a', $sim);
    my $r = ask(model => 'first');
    my $l = logged($r);

    is($r->{status}, 200, "$sim: served");
    same($r->{body}, direct('b', '', model => 'first')->{body},
         "$sim: by b, byte for byte");
    is("@{$r->{h}}{qw(x-ai-account x-ai-attempts x-ai-fallback x-ai-model)}",
       'b 2 account first', "$sim: headers");
    is(requests('a'), 1, "$sim: a was asked once");
    my ($first) = $sim =~ /(\d{3})/;
    $first = 200 if $sim =~ /^(?:empty|malformed|cut|error|badchunk|big)/;
    $first = 502 unless $first;
    is($l->{us}, "$first, 200", "$sim: \$upstream_status");
    is($l->{addr}, addr(@provider_port{qw(a b)}), "$sim: \$upstream_addr");
    is("@{$l}{qw(attempts fallback outcome)}", '2 account ok',
       "$sim: variables");
    like($l->{trail}, qr{^first=$first/(?!ok)\w+,b=200/ok$}, "$sim: trail");
}



=== TEST 2: errors about the client's request pass as they are
--- check
for my $sim ('400', '422', 'status=400 code=context_length_exceeded',
             'status=400 code=content_filter', 'status=400 bytewise',
             'status=400 chunked', 'status=400 chunked bytewise',
             'status=400 nochunk', 'status=422 nochunk bytewise',
             'status=400 dialect=html', 'status=400 dialect=html nochunk',
             'status=400 dialect=empty', 'status=400 dialect=empty nochunk',
             'status=400 dialect=azure', 'status=422 dialect=mistral',
             'status=400 dialect=anthropic', 'status=400 continue',
             'status=405', 'status=415')
{
    for my $more ('', '"stream":true,') {
        my $what = $sim . ($more && ' of a stream');
        provider_reset(qw(a b));
        fault('a', $sim);
        my $r = ask(more => $more);
        my $want = direct('a', $sim =~ / / ? join(',', split / /, $sim) : $sim,
                          more => $more);

        is($r->{status}, $want->{status}, "$what: status");
        same($r->{body}, $want->{body}, "$what: body");
        is($r->{h}{'content-type'}, $want->{h}{'content-type'},
           "$what: content type");
        ok($r->{complete}, "$what: complete");
        is("@{$r->{h}}{qw(x-ai-account x-ai-attempts x-ai-fallback)}",
           'a 1 none', "$what: headers");
        is(requests('b'), 0, "$what: b was not asked");
    }
}



=== TEST 3: when all fail the client gets one clear error
--- check
for (['429', 429, 'rate_limit_exceeded'], ['500', 502, 'upstream_error'],
     ['503', 503, 'no_target'], ['401', 502, 'upstream_auth'],
     ['reset', 502, 'upstream_error'],
     ['close', 502, 'upstream_error'], ['garbage', 502, 'upstream_error'],
     ['empty', 502, 'upstream_error'], ['cut=1', 502, 'upstream_error'],
     ['status=500 nochunk', 502, 'upstream_error'],
     ['bigheader=40000', 502, 'upstream_error'],
     ['malformed=1', 502, 'upstream_error'],
     ['error_first', 502, 'upstream_error'])
{
    my ($sim, $status, $code) = @$_;
    for my $more ('', '"stream":true,') {
        # of a stream, these come after the first content
        next if $more && $sim =~ /^(?:malformed|cut)/;
        my $what = $sim . ($more && ' of a stream');
        provider_reset(qw(a b));
        fault($_, $sim) for qw(a b);
        my $r = ask(more => $more);

        is_error($r, $status, $code, $what);
        is("@{$r->{h}}{qw(x-ai-account x-ai-attempts x-ai-fallback)}",
           'b 2 account', "$what: headers");
        unlike($r->{body}, qr/Incorrect API key|org-|sk-/,
               "$what: nothing of our credential");
        is(logged($r)->{outcome}, 'error', "$what: outcome");
    }
}



=== TEST 4: tiers in order, each target once, the request made anew for each
--- check
fault($_, '500') for qw(a b c);
my $r = ask(model => 'tiers', path => '/v1/chat/completions?x=1',
            head => "Authorization: Bearer of-the-client\r\n");

is($r->{status}, 200, 'served by the last tier');
is("@{$r->{h}}{qw(x-ai-account x-ai-attempts x-ai-fallback x-ai-model)}",
   'd 4 provider tiers', 'headers');
my $l = logged($r);
is($l->{us}, '500, 500, 500, 200', '$upstream_status');
is($l->{addr}, addr(@provider_port{qw(a b c d)}), '$upstream_addr');
is($l->{trail}, 'a=500/server_error,b=500/server_error,'
                . 'c=500/server_error,d=200/ok', 'trail');

for (['a', 'tiers', '/v1/chat/completions?x=1', 'a.test'],
     ['b', 'm-b', '/v1/chat/completions?x=1', 'b.test'],
     ['c', 'm-c', '/deep/er/v1/chat/completions?x=1', 'c.test'],
     ['d', 'tiers', '/chat/completions?x=1', 'd.test:81'])
{
    my ($name, $model, $uri, $host) = @$_;
    my $last = seen($name);

    is($last->{body}, qq({"model":"$model","messages":[]}), "$name: body");
    is($last->{uri}, $uri, "$name: uri");
    is($last->{h}{host}, $host, "$name: host");
    is($last->{h}{authorization}, "Bearer key-$name",
       "$name: its own credential");
    is($last->{h}{'x-request-id'}, $r->{id}, "$name: request id");
}



=== TEST 5: no more than four attempts
--- routes
upstream a2 { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a2/v1 key=env:AI_TEST_KEY_A; }
upstream b2 { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=compatible base=http://b2/v1 key=env:AI_TEST_KEY_B; }
ai_route many { target a; target b; target c; target d; target a2;
                target b2; target a model=other; }
ai_route refused { target dead; target dead model=2; target dead model=3;
                   target dead model=4; target dead model=5; target a; }
ai_route once-more { target a model=x; target a model=y tier=2; }
--- check
fault($_, '500') for qw(a b c d);
my $r = ask(model => 'many');
is_error($r, 502, 'upstream_error', 'many');
is($r->{h}{'x-ai-attempts'}, 4, 'four attempts');
is(requests('a') + requests('b') + requests('c')
   + requests('d'), 4, 'four requests at the providers');
is(logged($r)->{us}, '500, 500, 500, 500', '$upstream_status');

provider_reset('a');
$r = ask(model => 'refused');
is_error($r, 502, 'upstream_error', 'refused');
is($r->{h}{'x-ai-attempts'}, 4, 'four refused attempts');

# another model of the same account is a retry, not another account
fault('a', "times=1 500\nok");
$r = ask(model => 'once-more');
is("$r->{status} @{$r->{h}}{qw(x-ai-account x-ai-attempts x-ai-fallback
                               x-ai-model)}", '200 a 2 retry y',
   'the same account with another model');
--- log_ok chomp
Connection refused



=== TEST 6: refused connections, and a block's own next server
--- routes
ai_route to-a     { target dead; target a tier=2; }
upstream half { server 127.0.0.1:$TEST_NGINX_DEAD_PORT max_fails=0;
                server 127.0.0.1:$TEST_NGINX_PROVIDER_A backup;
    ai_account provider=compatible base=http://half/v1 key=env:AI_TEST_KEY_A; }
upstream none { server 127.0.0.1:$TEST_NGINX_DEAD_PORT max_fails=0;
                server 127.0.0.1:$TEST_NGINX_DEAD_PORT max_fails=0;
    ai_account provider=compatible base=http://none/v1; }
upstream down { server 127.0.0.1:$TEST_NGINX_PROVIDER_A down;
    ai_account provider=compatible base=http://down/v1; }
ai_route half     { target half; target b tier=2; }
ai_route none     { target none; target b tier=2; }
ai_route down     { target down; target b tier=2; }
ai_route all-down { target down; target down model=2 tier=2; }
--- check
my $dead = $ENV{TEST_NGINX_DEAD_PORT};

my $r = ask(model => 'to-a');
is("$r->{status} @{$r->{h}}{qw(x-ai-account x-ai-attempts x-ai-fallback)}",
   '200 a 2 account', 'refused: the next account');
my $l = logged($r);
is($l->{us}, '502, 200', '$upstream_status');
is($l->{addr}, addr($dead, $provider_port{a}), '$upstream_addr');
is($l->{trail}, 'dead=502/connect,a=200/ok', 'trail');

for (1, 2) {
    $r = ask(model => 'half');
    is("$r->{status} @{$r->{h}}{qw(x-ai-account x-ai-attempts x-ai-fallback)}",
       '200 half 1 none', 'the block has another server: one attempt');
    is(logged($r)->{addr}, addr($dead, $provider_port{a}),
       'the block was asked twice');
}

# an answer is no reason to ask the block's other server
fault('a', '500');
$r = ask(model => 'half');
is("$r->{status} @{$r->{h}}{qw(x-ai-account x-ai-attempts)}", '200 b 2',
   'an answer of the second server moves on');
is(logged($r)->{us}, '502, 500, 200', '$upstream_status');

$r = ask(model => 'none');
is("$r->{status} @{$r->{h}}{qw(x-ai-account x-ai-attempts)}", '200 b 2',
   'all servers of the block refuse');
is(logged($r)->{addr}, addr($dead, $dead, $provider_port{b}),
   'each of them was asked once');

$r = ask(model => 'down');
is("$r->{status} @{$r->{h}}{qw(x-ai-account x-ai-attempts)}", '200 b 2',
   'no server is up');
is(logged($r)->{trail}, 'down=502/connect,b=200/ok', 'trail');

is_error(ask(model => 'all-down'), 502, 'upstream_error', 'nothing is up');



=== TEST 7: connections are kept, also after an error
--- check
ask() for 1 .. 5;
is(requests('a'), 5, 'five requests');
is(stats('a')->{connections}, 1, 'one connection');

# b serves each of these, a keeps its connection although it fails
for my $sim ('500', 'status=500 chunked', 'status=429 bytewise',
             'status=400 chunked', 'empty', 'error_first')
{
    provider_reset(qw(a b));
    fault('a', $sim), ask() for 1 .. 4;
    is(requests('a'), 4, "$sim: four requests");
    cmp_ok(stats('a')->{connections}, '<=', 1, "$sim: one connection");
    cmp_ok(stats('b')->{connections}, '<=', 1, "$sim: one connection to b");
}

provider_reset('a');
ask(more => '"stream":true,') for 1 .. 4;
cmp_ok(stats('a')->{connections}, '<=', 1, 'after streams');
is(stats('a')->{completed}, 4, 'which were complete');

# d's block has no keepalive
ask(model => 'tiers');
fault($_, '500') for qw(a b c);
ask(model => 'tiers') for 1 .. 3;
is(stats('d')->{connections}, 3, 'no keepalive: a connection each');



=== TEST 8: a kept connection that is dead is replaced free of charge
--- check
fault('a', "times=1 ok\ntimes=1 reset\ntimes=1 ok\ntimes=1 close\nok");
for my $n (1 .. 3) {
    my $r = ask();
    is("$r->{status} @{$r->{h}}{qw(x-ai-account x-ai-attempts x-ai-fallback)}",
       '200 a 1 none', "request $n: one attempt");
    is(logged($r)->{us}, $n == 1 ? '200' : '502, 200',
       "request $n: \$upstream_status");
    same($r->{body}, direct('b')->{body}, "request $n: body");
}
is(requests('a'), 5, 'two requests were made twice');

# not for ever, and not when the answer had begun
fault('a', "times=1 ok\nreset");
ask();
my $r = ask();
is("$r->{status} @{$r->{h}}{qw(x-ai-account x-ai-attempts)}", '200 b 2',
   'a connection of its own that fails is an attempt');
is(requests('a'), 8, 'the fresh connection was tried once');



=== TEST 9: the last target fails on a kept connection
# The core grants one more try to a kept connection that broke, which the
# gateway has no target for.
--- check
for my $sim ('cut=1', 'cut_mid=1', 'empty', 'garbage', 'status=500 nochunk',
             'badchunk=1 chunked', 'hang_headers nochunk cut=0', 'reset',
             'close', 'bigheader=40000')
{
    next if $sim =~ /^hang/;
    provider_reset(qw(a b));
    fault('a', "times=1 ok\n$sim");
    is(ask(model => 'alone')->{status}, 200, "$sim: warm");
    my $r = ask(model => 'alone');
    is_error($r, 502, 'upstream_error', "$sim: alone");
    is($r->{h}{'x-ai-attempts'}, 1, "$sim: one attempt");

    fault($_, "times=1 ok\n$sim") for qw(a b);
    ask();
    fault('a', '500');
    ask();
    fault('a', $sim);
    $r = ask();
    is_error($r, 502, 'upstream_error', "$sim: the last of two");
    is($r->{h}{'x-ai-attempts'}, 2, "$sim: two attempts");
}



=== TEST 10: 100 and 103 before the answer
--- check
for my $more ('', '"stream":true,') {
    my $what = $more ? 'stream' : 'json';
    provider_reset(qw(a b));
    my $want = direct('a', '', more => $more
        && '"stream_options":{"include_usage":true},"stream":true,');
    for my $sim ('continue', 'continue bytewise', 'continue nochunk') {
        fault('a', $sim);
        my $r = ask(more => $more
            && '"stream_options":{"include_usage":true},"stream":true,');

        is("$r->{status} $r->{h}{'x-ai-attempts'}", '200 1',
           "$what $sim: the answer itself");
        ok(!exists $r->{h}{link}, "$what $sim: nothing of the 103's head");
        same($r->{body}, $want->{body}, "$what $sim: body");
        is(logged($r)->{us}, '200', "$what $sim: \$upstream_status");
    }
}
fault('a', 'continue bigheader=3000');
is(ask()->{h}{'x-ai-account'}, 'a', 'a long header that fits');



=== TEST 11: zone and least_conn are the block's own
--- routes
upstream pool { zone pool 64k; least_conn; keepalive 4;
                server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
                server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
                server 127.0.0.1:$TEST_NGINX_DEAD_PORT max_fails=1
                       fail_timeout=60;
    ai_account provider=compatible base=http://pool/v1 key=env:AI_TEST_KEY_A; }
upstream pool_max { zone pool_max 64k;
                server 127.0.0.1:$TEST_NGINX_PROVIDER_A max_conns=1;
    ai_account provider=compatible base=http://pool/v1 key=env:AI_TEST_KEY_A; }
ai_route pool { target pool; target c tier=2; }
ai_route pool-max { target pool_max; target b tier=2; }
--- check
my (@account, $tried);
for (1 .. 12) {
    my $r = ask(model => 'pool');
    push @account, "$r->{status} $r->{h}{'x-ai-account'}"
                   . " $r->{h}{'x-ai-attempts'}";
    $tried += () = logged($r)->{addr} =~ /:$ENV{TEST_NGINX_DEAD_PORT}\b/g;
}
is(join(',', @account), join(',', ('200 pool 1') x 12), 'all served');
is($tried, 1, 'the dead server is left out after its failure');
is(requests('a') + requests('b'), 12, 'in two places');
cmp_ok(abs(requests('a') - requests('b')), '<=', 1,
       'evenly');

# four slow requests at once: two at each
provider_reset(qw(a b));
my @open = map { open_request(model => 'pool', head => "X-Sim: delay=300\r\n") }
               1 .. 4;
is(join(' ', map { answer($_)->{status} } @open), '200 200 200 200',
   'four at once');
is(requests('a'), 2, 'shared by least_conn');

# an account at its max_conns has no server: the next account
provider_reset(qw(a b));
my $slow = open_request(model => 'pool-max', head => "X-Sim: delay=400\r\n");
sleep 0.1;
is(ask(model => 'pool-max')->{h}{'x-ai-account'}, 'b', 'max_conns');
is(answer($slow)->{h}{'x-ai-account'}, 'pool_max', 'the slow one');
is(ask(model => 'pool-max')->{h}{'x-ai-account'}, 'pool_max', 'free again');



=== TEST 12: a provider's errors do not count as a dead server
# max_fails is about servers that do not answer; with one server it would be
# ignored, so there are two, one of them for the worst case only.
--- routes
upstream pair { server 127.0.0.1:$TEST_NGINX_PROVIDER_A max_fails=1
                       fail_timeout=60;
                server 127.0.0.1:$TEST_NGINX_DEAD_PORT backup;
    ai_account provider=compatible base=http://pair/v1 key=env:AI_TEST_KEY_A; }
ai_route pair { target pair; target b tier=2; }
--- check
for my $sim ('429', '500', 'empty', 'error_first') {
    fault('a', "times=1 $sim\nok");
    is(ask(model => 'pair')->{h}{'x-ai-account'}, 'b', "$sim: to b");
    accounts_open('pair');
    my $r = ask(model => 'pair');
    is("$r->{h}{'x-ai-account'} " . logged($r)->{addr},
       'pair ' . addr($provider_port{a}), "$sim: a is still in use");
}



=== TEST 13: answers that no provider should send
--- routes
upstream own { server 127.0.0.1:$TEST_NGINX_OWN; keepalive 2;
    ai_account provider=compatible base=http://own/v1; }
ai_route own { target own; target b tier=2; }
ai_route own-alone { target own; }
--- check
my $json = '{"choices":[{"message":{"content":"x"}}],"usage":'
           . '{"prompt_tokens":1,"completion_tokens":1}}';
my $n = length $json;
my $type = 'Content-Type: application/json';
my $long = 'x' x 30000;
my %say = (
    old        => "HTTP/1.0 200 OK\r\n$type\r\n\r\n$json",
    old_length => "HTTP/1.0 200 OK\r\n$type\r\nContent-Length: $n\r\n\r\n$json",
    bare_lf    => "HTTP/1.1 200 OK\n$type\nContent-Length: $n\n\n$json",
    no_reason  => "HTTP/1.1 200\r\n$type\r\nContent-Length: $n\r\n\r\n$json",
    more       => "HTTP/1.1 200 OK\r\n$type\r\nContent-Length: $n\r\n\r\n"
                  . $json . 'HTTP/1.1 200 OK',
    hundreds   => "HTTP/1.1 100 Continue\r\n\r\n" x 50
                  . "HTTP/1.1 200 OK\r\n$type\r\nContent-Length: $n\r\n\r\n"
                  . $json,
    accel      => "HTTP/1.1 200 OK\r\n$type\r\nX-Accel-Redirect: /up\r\n"
                  . "X-Accel-Limit-Rate: 1\r\nSet-Cookie: a=b\r\n"
                  . "openai-organization: org-1\r\nX-AI-Account: own2\r\n"
                  . "x-ratelimit-remaining-requests: 1\r\n"
                  . "Content-Length: $n\r\n\r\n$json",
    # failures
    switch     => "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    only_100   => "HTTP/1.1 100 Continue\r\n\r\n",
    head_only  => "HTTP/1.1 200 OK\r\n$type\r\nContent-Length: $n\r\n\r\n",
    half_head  => "HTTP/1.1 200 OK\r\nContent-Ty",
    bad_line   => "HTTP/1.1 200 OK\r\n\x01: x\r\n\r\n",
    bad_status => "HTTP/1.1 2x0 OK\r\n\r\n",
    error_head => "HTTP/1.1 500 Oops\r\n$type\r\nContent-Length: 90\r\n\r\n{",
    error_long => "HTTP/1.1 500 Oops\r\nContent-Length: 300000\r\n\r\n"
                  . $long x 10,
    redirect   => "HTTP/1.1 500 Oops\r\n$type\r\nContent-Length: 2\r\n\r\n{}"
                  . 'and more',
    endless    => "HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n"
                  . "7530\r\n$long\r\n" x 10,
    not_json   => "HTTP/1.1 200 OK\r\n$type\r\nContent-Length: 5\r\n\r\nhello",
    huge_chunk => "HTTP/1.1 200 OK\r\n$type\r\nTransfer-Encoding: chunked\r\n"
                  . "\r\nffffffffffffffffff\r\n",
);
my %ok = map { $_ => 1 } qw(old old_length bare_lf no_reason more hundreds
                            accel);

own_server('OWN', sub {
    my ($c, $q) = @_;
    my ($what) = $q =~ /"what":"(\w+)"/;
    print $c $say{$what};
    $c->flush;
});

for my $what (sort keys %say) {
    my $r = ask(model => 'own', more => qq("what":"$what",));

    if ($ok{$what}) {
        is("$r->{status} $r->{h}{'x-ai-account'} $r->{body}", "200 own $json",
           "$what: passes");
        ok($r->{complete}, "$what: complete");
        is(join(',', grep { exists $r->{h}{$_} }
                     qw(set-cookie openai-organization x-accel-redirect
                        x-ratelimit-remaining-requests)), '',
           "$what: nothing that belongs to the provider");
    } else {
        is("$r->{status} $r->{h}{'x-ai-account'} $r->{h}{'x-ai-attempts'}",
           '200 b 2', "$what: fails over");
        is_error(ask(model => 'own-alone', more => qq("what":"$what",)), 502,
                 'upstream_error', "$what alone");
    }
}



=== TEST 14: an error body that does not come, and a connection that hangs
# Five seconds each, at the same time.
--- routes
upstream own { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=compatible base=http://own/v1; }
upstream full { server 127.0.0.1:$TEST_NGINX_OWN2;
    ai_account provider=compatible base=http://full/v1; }
ai_route own { target own; target b tier=2; }
ai_route full { target full; target b tier=2; }
--- check
own_server('OWN', sub {
    my ($c, $q) = @_;
    print $c "HTTP/1.1 ", $q =~ /"stream"/ ? 500 : 400,
             " No\r\nContent-Length: 90\r\n\r\n{\"error\"";
    $c->flush;
    sleep 20;
});

# nobody accepts: once its queue is full a SYN stays without an answer
my $l = IO::Socket::INET->new(LocalAddr => '127.0.0.1', ReuseAddr => 1,
                              LocalPort => $ENV{TEST_NGINX_OWN2},
                              Listen => 1);
my @fill = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', Blocking => 0,
                     PeerPort => $ENV{TEST_NGINX_OWN2}) } 1 .. 4;

my $t = time;
my @q = (open_request(model => 'own', more => '"stream":true,'),
         open_request(model => 'own'), open_request(model => 'full'));
my @r = map { answer($_) } @q;
my $took = time - $t;

is($r[0]{h}{'x-ai-account'}, 'b', 'a 500 without its body fails over');
is($r[1]{status}, 400, 'a 400 without its body is still a 400');
ok($r[1]{complete}, '... and complete');
is($r[2]{h}{'x-ai-account'}, 'b', 'a connect that hangs fails over');
like(logged($r[2])->{trail}, qr{^full=50[24]/connect,}, '... as connect');
cmp_ok($took, '>', 4, 'after the limit');
cmp_ok($took, '<', 8, '... of five seconds');



=== TEST 15: a large request reaches the next account unchanged
--- check
my $text = join '', map { chr(97 + $_ % 26) x 1000 } 0 .. 299;
for my $more (qq("x":"$text",), qq("stream":true,"x":"$text",)) {
    my $body = '{' . $more . '"model":"tiers","z":"' . reverse($text) . '"}';
    provider_reset(qw(a b c d));
    fault($_, 'reset_early') for qw(a);
    fault('b', '503');
    my $r = ask(body => $body);
    is("$r->{status} $r->{h}{'x-ai-account'}", '200 c', 'served by c');
    my $want = $body;
    $want =~ s/"tiers"/"m-c"/;
    $want =~ s/^\{/{"stream_options":{"include_usage":true},/
        if $more =~ /stream/;
    require Digest::SHA;
    is(seen('c')->{body_sha1}, Digest::SHA::sha1_hex($want),
       'the body, but for the model');
}



=== TEST 16: nothing that a 103 says holds for the answer
--- routes
upstream own { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=compatible base=http://own/v1; }
ai_route own { target own; }
--- check
my $body = '{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],'
           . '"usage":{"prompt_tokens":3,"completion_tokens":1}}';
my $early;
for my $line ('Transfer-Encoding: chunked', 'Content-Length: 3',
              'Connection: close', 'Content-Encoding: gzip',
              'Server: early', 'Content-Type: text/event-stream')
{
    own_server('OWN', sub {
        my ($c) = @_;
        syswrite $c, "HTTP/1.1 103 Early Hints\r\n$line\r\n\r\n"
                     . "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                     . "Server: own\r\nContent-Length: " . length($body)
                     . "\r\n\r\n$body";
    });
    my $r = ask(model => 'own');

    is("$r->{status} $r->{h}{'x-ai-attempts'}", '200 1', "$line: answered");
    is($r->{body}, $body, "$line: the body");
    is($r->{h}{'content-type'}, 'application/json', "$line: the type");
    AIServer::end_all();
}
