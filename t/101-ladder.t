# Copyright (C) nginx-ai-route contributors

# The ladder: other account, other provider, same target once more, short
# wait, backup model, fail closed; and what bounds it: attempts, deadline,
# silence, state of a provider, requests that must not be sent twice.
#
# The first target's fault is in the model's name that the client asks for,
# the others' are scripts.  A block's "check" is Perl that runs while its
# nginx does; "routes" is added to what all of them share.

use lib 't/lib';
use AIRoute providers => [qw(a b c d)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AILog;
use AIServer;

use JSON::PP ();
use Time::HiRes qw(sleep);

$ENV{TEST_NGINX_OWN} = free_port();

# a and b are accounts of one provider, c and d of others
my $http = ai_log() . <<'END';
ai_usage off;

ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 4;
    ai_account provider=openai base=http://a.test/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 4;
    ai_account provider=openai base=http://b.test/v1; }
upstream c { server 127.0.0.1:$TEST_NGINX_PROVIDER_C; keepalive 4;
    ai_account provider=vllm base=http://c.test/v1; }
upstream d { server 127.0.0.1:$TEST_NGINX_PROVIDER_D; keepalive 4;
    ai_account provider=compatible base=http://d.test/v1; }
upstream dead { server 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    ai_account provider=openai base=http://dead/v1; }

ai_class default { expose trail; deadline 20s; attempts 8; first_byte 5s; }
ai_class off     { expose trail; deadline 20s; attempts 8; retry_same off;
                   max_wait off; }
ai_class first   { expose trail; deadline 20s; attempts 8; retry_same first; }
ai_class quick   { expose trail; deadline 20s; attempts 8; first_byte 300ms;
                   first_token 300ms; retry_same first; }

ai_route m m+*   { target a; target b tier=2 model=ok; target c tier=2 model=ok;
                   target d tier=3 model=ok; }
ai_route alone alone+* { target a; }
ai_route two two+*     { target a; target b tier=2 model=ok; }
ai_route dead    { target dead; target b tier=2; target c tier=2; }
ai_route dead-alone { target dead; }
END

check_blocks(http => $http, reset => [qw(a b c d)],
             perl => sub { eval shift });

sub fresh { provider_reset(qw(a b c d)); operator_reset(qw(a b c d)) }

no_long_string();
run_tests();

__DATA__

=== TEST 1: other account first, or other provider first, as the row says
--- check
for (['status=429,retry_after=30', '429/rate_limit', 'b'],
     ['status=429,dialect=gemini,code=rate_limit_day', '429/rate_limit', 'b'],
     ['503', '503/overloaded', 'c'],
     ['status=529', '529/overloaded', 'c'],
     ['status=429,code=slow_down', '429/slow_down', 'b'],
     ['status=429,code=insufficient_quota', '429/quota_exhausted', 'b'],
     ['401', '401/auth', 'b'],
     ['status=401,code=account_deactivated', '401/account_disabled', 'b'],
     ['403', '403/permission', 'b'],
     ['404', '404/model_not_found', 'b'],
     ['413', '413/request_too_large', 'b'],
     ['500', '500/server_error', 'b'],
     ['status=504,dialect=empty', '504/timeout', 'b'],
     ['reset', '502/reset', 'b'],
     ['close', '502/reset', 'b'],
     ['empty', '200/empty', 'b'])
{
    my ($sim, $verdict, $next) = @$_;
    my $r = ask(model => "m+sim:$sim");

    is($r->{status}, 200, "$sim: served");
    like(trail($r), qr{^a=\Q$verdict\E\w*,$next=200/ok$}, "$sim: trail");
    is($r->{h}{'x-ai-fallback'}, $next eq 'b' ? 'account' : 'provider',
       "$sim: fallback");
    operator_reset(qw(a b c d));
}

my $r = ask(model => 'dead');
is(trail($r), 'dead=502/connect,b=200/ok', 'connect: trail');
$r = ask(model => 'm+sim:hang', class => 'quick');
is(trail($r), 'a=504/timeout,b=200/ok', 'timeout: trail');
$r = ask(model => 'm+sim:hang', class => 'quick', stream => 1);
is(trail($r), 'a=504/timeout,b=200/ok', 'timeout of a stream: trail');
--- log_ok chomp
Connection refused



=== TEST 2: the whole order, the same target last
--- check
for (['500', 'default', 'a,b,c,d,d', 502], ['500', 'off', 'a,b,c,d', 502],
     ['500', 'first', 'a,a,b,c,d', 502],
     ['503', 'default', 'a,c,b,d,d', 503], ['503', 'off', 'a,c,b,d', 503],
     ['503', 'first', 'a,a,c,b,d', 503],
     ['reset', 'default', 'a,b,c,d,d', 502],
     ['status=429,retry_after=30', 'default', 'a,b,c,d', 429],
     ['status=429,retry_after=30', 'first', 'a,b,c,d', 429],
     ['status=429,code=slow_down', 'first', 'a,b,c,d', 429],
     ['401', 'first', 'a,b,c,d', 502], ['403', 'first', 'a,b,c,d', 502],
     ['404', 'first', 'a,b,c,d', 404], ['413', 'first', 'a,b,c,d', 413],
     ['status=429,code=insufficient_quota', 'first', 'a,b,c,d', 503],
     ['empty', 'default', 'a,b,c,d,d', 502])
{
    my ($sim, $class, $way, $status) = @$_;
    fresh();
    provider_fault($_, $sim =~ tr/,/ /r) for qw(a b c d);
    my $r = ask(class => $class);

    is(way($r), $way, "$sim $class: way");
    is($r->{status}, $status, "$sim $class: status");
    is($r->{h}{'x-ai-attempts'}, scalar(() = $way =~ /\w/g),
       "$sim $class: attempts");
}



=== TEST 3: the same target once more after a jittered pause
--- check
my @all = ask_all(map { [model => 'alone+sim:500'] } 1 .. 12);
my @took = sort { $a <=> $b } map { $_->{took} } @all;

is(join(' ', map { way($_) } @all), join(' ', ('a,a') x 12), 'once more');
within($_, 0.3, 1.6, 'pause') for @all;
cmp_ok($took[-1] - $took[0], '>', 0.1, 'jittered');
is($all[0]{status}, 502, 'status');
is(error_code($all[0]), 'upstream_error', 'code');
is($all[0]{h}{'x-ai-fallback'}, 'retry', 'fallback');
is(requests('a'), 24, 'requests at the provider');

# not after a reset, where nothing was done yet
for my $sim ('reset', 'close') {
    my $r = ask(model => "alone+sim:$sim");
    is(way($r), 'a,a', "$sim: once more");
    within($r, 0, 0.28, $sim);
}
my $r = ask(model => 'dead-alone');
is(way($r), 'dead,dead', 'connect: once more');
within($r, 0, 0.28, 'connect');

provider_fault('a', "times=1 500\nok");
$r = ask(model => 'alone');
is("$r->{status} " . trail($r), '200 a=500/server_error,a=200/ok', 'it helps');
is($r->{h}{'x-ai-fallback'}, 'retry', 'fallback');

provider_fault('a', "times=1 500\nok");
$r = ask(model => 'alone', class => 'off');
is("$r->{status} " . trail($r), '502 a=500/server_error', 'off: not');
within($r, 0, 0.28, 'off');
--- log_ok chomp
Connection refused



=== TEST 4: rows that know the same target only
--- check
provider_fault('a', "times=1 409\nok");
my $r = ask();
is("$r->{status} " . trail($r), '200 a=409/conflict,a=200/ok', 'conflict');

provider_fault('a', '409');
$r = ask();
is("$r->{status} " . way($r), '409 a,a', 'conflict twice');
is(error_code($r), 'conflict', 'the provider\'s own error');
is(requests('b') + requests('c'), 0, 'nobody else');

provider_fault('a', '409');
$r = ask(class => 'off');
is("$r->{status} " . way($r), '409 a', 'conflict, off');

provider_reset('a');
for ('status=400', 'status=422', 'status=400,code=content_filter',
     'status=400,code=context_length_exceeded')
{
    $r = ask(model => "m+sim:$_", class => 'first');
    is(way($r), 'a', "$_: nobody else, not again");
    is($r->{status}, /(4\d\d)/ ? $1 : 0, "$_: status");
}



=== TEST 5: x-should-retry of the provider forbids the same target only
--- routes
upstream own { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=openai base=http://own/v1; }
ai_route own { target own; }
ai_route own-b { target own; target b tier=2; }
--- check
own_server('OWN', sub {
    my ($c, $q) = @_;
    my ($v) = $q =~ /"say":"(\w+)"/;
    syswrite $c, "HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\n"
                 . "x-should-retry: $v\r\nContent-Length: 2\r\n\r\n{}";
});
is(way(ask(model => 'own', more => '"say":"false",')), 'own', 'false');
is(way(ask(model => 'own', more => '"say":"false",', class => 'first')),
   'own', 'false, first');
is(way(ask(model => 'own', more => '"say":"true",')), 'own,own', 'true');
is(way(ask(model => 'own-b', more => '"say":"false",')), 'own,b',
   'false: other accounts');



=== TEST 6: a wait within max_wait, and none beyond
--- routes
ai_class wait { expose trail; deadline 20s; attempts 8; max_wait 1s; }
ai_class look { expose trail; deadline 20s; attempts 8; max_wait 1s;
                retry_same off; }
--- check
# the same target after its hint
provider_fault('a', "times=1 status=429 retry_after_ms=600\nok");
my $r = ask(model => 'alone', class => 'wait');
is("$r->{status} " . way($r), '200 a,a', 'same target');
within($r, 0.6, 1.3, 'same target');

# without that rung the request looks again when the target is back
fresh();
provider_fault('a', "times=1 status=429 retry_after_ms=600\nok");
$r = ask(model => 'alone', class => 'look');
is("$r->{status} " . way($r), '200 a,a', 'looks again');
within($r, 0.6, 1.3, 'looks again');
is($r->{h}{'x-ai-fallback'}, 'retry', 'fallback');

# whoever is back first
fresh();
provider_fault('a', "times=1 status=429 retry_after_ms=500\nok");
provider_fault('b', "times=1 status=429 retry_after_ms=900\nok");
$r = ask(model => 'two', class => 'look');
is("$r->{status} " . way($r), '200 a,b,a', 'the first one back');
within($r, 0.5, 0.88, 'the first one back');

# longer than max_wait: the answer says when
for my $class ('wait', 'look', 'off') {
    fresh();
    provider_fault('a', 'status=429 retry_after=3');
    $r = ask(model => 'alone', class => $class);
    is("$r->{status} " . way($r), '429 a', "$class: too long");
    within($r, 0, 0.4, "$class: too long");
    like($r->{h}{'retry-after'}, qr/^[34]$/, "$class: Retry-After");
    is($r->{h}{'x-should-retry'}, 'true', "$class: x-should-retry");
    is(error_code($r), 'rate_limit_exceeded', "$class: code");
}

# a request that finds nobody waits, too
fresh();
provider_fault('a', "times=1 status=429 retry_after_ms=800\nok");
ask(model => 'alone', class => 'off');
$r = ask(model => 'alone', class => 'look');
is("$r->{status} " . trail($r), '200 a=200/ok', 'nobody is there yet');
within($r, 0.4, 1.3, 'nobody is there yet');

# all waits together
fresh();
provider_fault('a', 'status=429 retry_after_ms=700');
$r = ask(model => 'alone', class => 'look');
is("$r->{status} " . way($r), '429 a,a', 'max_wait is for the request');
within($r, 0.7, 1.3, 'max_wait is for the request');

# no wait where somebody else can answer
fresh();
provider_fault('a', 'status=429 retry_after_ms=700');
$r = ask(model => 'two', class => 'wait');
is(way($r), 'a,b', 'the other one at once');
within($r, 0, 0.4, 'the other one at once');



=== TEST 7: the backup model
--- routes
ai_class nobackup { expose trail; deadline 20s; attempts 8; retry_same off;
                    max_wait off; allow_backup off; }
ai_class wait { expose trail; deadline 20s; attempts 8; max_wait 1s;
                retry_same off; }
ai_route big big+* { target a; backup small tiny; }
ai_route big2 big2+* { target a; target b tier=2 model=ok; backup small; }
ai_route small { target c; }
ai_route tiny  { target d model=tiny-at-d; }
--- check
my $r = ask(model => 'big+sim:500', class => 'off');
is($r->{status}, 200, 'served');
is("@{$r->{h}}{qw(x-ai-model x-ai-account x-ai-fallback x-ai-attempts)}",
   'small c backup 2', 'headers');
is(trail($r), 'a=500/server_error,c=200/ok', 'trail');
my $l = logged($r);
is("$l->{fallback} $l->{outcome}", 'backup ok', 'log');
my $last = JSON::PP::decode_json(provider_get('c', '/__last'));
is($last->{body}, '{"model":"small","messages":[]}', 'rewritten body');
is(JSON::PP::decode_json($r->{body})->{model}, 'small', 'served by small');

$r = ask(model => 'big+sim:500', class => 'off', stream => 1);
is("$r->{status} $r->{h}{'x-ai-model'}", '200 small', 'a stream');
like($r->{body}, qr/"finish_reason":"stop".*\[DONE\]/s, 'complete');

is(way(ask(model => 'big+sim:500')), 'a,a,c', 'after the same target');
is(way(ask(model => 'big2+sim:500', class => 'off')), 'a,b',
   'not while an account is left');
provider_fault('b', '500');
is(way(ask(model => 'big2+sim:500', class => 'off')), 'a,b,c',
   'after all accounts');
fresh();

# the next backup when one fails
provider_fault('c', '500');
$r = ask(model => 'big+sim:500', class => 'off');
is(way($r), 'a,c,d', 'the second backup');
is("@{$r->{h}}{qw(x-ai-model x-ai-fallback)}", 'tiny-at-d backup',
   'its model there');

# which of them was the last is told when they all fail, too
provider_fault('d', '500');
$r = ask(model => 'big+sim:500', class => 'off');
is("$r->{status} " . way($r), '502 a,c,d', 'no backup is left');
is("@{$r->{h}}{qw(x-ai-model x-ai-fallback)}", 'tiny-at-d backup',
   'the last one failed');
is(logged($r)->{fallback}, 'backup', 'log');
fresh();

for my $sim ('status=429,retry_after=30', '503', '401', '403', '404', '413',
             'status=429,code=insufficient_quota', 'empty', 'reset')
{
    $r = ask(model => "big+sim:$sim", class => 'off');
    is("$r->{status} " . way($r), '200 a,c', "$sim: to the backup");
    operator_reset(qw(a b c d));
    $r = ask(model => "big+sim:$sim", class => 'nobackup');
    is(way($r), 'a', "$sim: not with allow_backup off");
    operator_reset(qw(a b c d));
}

for my $sim ('400', '422', '409', 'status=400,code=content_filter',
             'status=429,code=slow_down')
{
    $r = ask(model => "big+sim:$sim", class => 'off');
    is(way($r), 'a', "$sim: the backup is no help");
    operator_reset(qw(a b c d));
}

# a short wait is better than another model, a long one is not
provider_fault('a', "times=1 status=429 retry_after_ms=500\nok");
$r = ask(model => 'big', class => 'wait');
is(way($r), 'a,a', 'short wait');
fresh();
provider_fault('a', "times=1 status=429 retry_after_ms=1500\nok");
$r = ask(model => 'big', class => 'wait');
is(way($r), 'a,c', 'long wait');
within($r, 0, 0.4, 'long wait');

# a request that finds its model away
$r = ask(model => 'big', class => 'off');
is("$r->{status} " . trail($r), '200 c=200/ok', 'the backup at once');
is($r->{h}{'x-ai-fallback'}, 'backup', 'fallback');
$r = ask(model => 'big', class => 'nobackup');
is("$r->{status} " . error_code($r), '429 rate_limit_exceeded',
   'no backup, nobody asked');
is($r->{h}{'x-ai-attempts'}, undef, 'no attempt');



=== TEST 8: too long a context goes to a larger or unknown window only
--- routes
ai_route w-unknown+* { target a; backup small; }
ai_route w-less+*    { window 128k; target a; backup small same; }
ai_route w-more+*    { window 128k; target a; backup small same large; }
ai_route w-open+*    { window 128k; target a; backup same open; }
ai_route small { window 64k; target b; }
ai_route same  { window 128k; target b; }
ai_route large { window 200k; target c; }
ai_route open  { target d; }
--- check
my $sim = '+sim:status=400,code=context_length_exceeded';

for (['w-unknown', 'b', 'small'], ['w-more', 'c', 'large'],
     ['w-open', 'd', 'open'])
{
    my ($model, $who, $served) = @$_;
    my $r = ask(model => "$model$sim", class => 'off');
    is("$r->{status} " . trail($r) . " $r->{h}{'x-ai-model'}",
       "200 a=400/context_length,$who=200/ok $served", $model);
}

my $r = ask(model => "w-less$sim", class => 'off');
is("$r->{status} " . way($r), '400 a', 'no window is larger');
is(error_code($r), 'context_length_exceeded', 'the provider\'s error');
like($r->{body}, qr/maximum context length is 128000 tokens/, 'its words');

# other errors do not ask for the window
$r = ask(model => 'w-less+sim:500', class => 'off');
is("$r->{status} $r->{h}{'x-ai-model'}", '200 small', 'other errors');

# the backup fails as well: the first error is the answer
for my $fault ('500', '503', 'reset', '401',
               'status=400 dialect=anthropic code=context_length_exceeded')
{
    operator_reset(qw(a b c d));
    provider_fault('c', $fault);
    $r = ask(model => "w-more$sim", class => 'off');
    is("$r->{status} " . error_code($r), '400 context_length_exceeded',
       "backup $fault: the first error");
    like($r->{body}, qr/maximum context length is 128000 tokens/,
         "backup $fault: its words");
    like(way($r), qr/^a,c/, "backup $fault: was tried");
}



=== TEST 9: all fail: the most useful word
--- check
for (['500', '429 retry_after=30', 429], ['429 retry_after=30', '500', 429],
     ['401', '500', 502], ['500', '401', 502], ['503', '500', 503],
     ['401', '503', 503], ['413', '500', 413])
{
    my ($one, $other, $status) = @$_;
    fresh();
    provider_fault('a', $one =~ s/^/status=/r);
    provider_fault('b', $other =~ s/^/status=/r);
    my $r = ask(model => 'two', class => 'off');

    is("$r->{status} " . way($r), "$status a,b", "$one, $other");
    unlike($r->{body}, qr/sk-sim|sim-org/, "$one, $other: nothing of ours");
    is($r->{h}{'x-should-retry'},
       "$one$other" =~ /retry_after/ ? 'true' : 'false',
       "$one, $other: x-should-retry") unless "$one$other" =~ /401/;
}

# Retry-After is the earliest of all candidates
fresh();
provider_fault('a', 'status=429 retry_after=40');
provider_fault('b', 'status=429 retry_after=7');
my $r = ask(model => 'two', class => 'off');
like($r->{h}{'retry-after'}, qr/^[78]$/, 'Retry-After');



=== TEST 10: attempts
--- routes
ai_class n1 { expose trail; attempts 1; }
ai_class n2 { expose trail; attempts 2; retry_same first; }
ai_class n3 { expose trail; attempts 3; }
ai_route with-backup+* { target a; backup bee; }
ai_route bee { target b; }
--- check
for (['n1', 'a', 1], ['n2', 'a,a', 2], ['n3', 'a,b,c', 3]) {
    my ($class, $way, $n) = @$_;
    provider_reset(qw(a b c d));
    provider_fault($_, '500') for qw(a b c d);
    my $r = ask(class => $class);

    is(way($r), $way, "$class: way");
    is($r->{h}{'x-ai-attempts'}, $n, "$class: header");
    is(requests('a') + requests('b') + requests('c') + requests('d'), $n,
       "$class: requests");
    is($r->{status}, 502, "$class: status");
}
is(way(ask(model => 'with-backup+sim:500', class => 'n1')), 'a',
   'no backup beyond the attempts');



=== TEST 11: one deadline for all attempts
--- routes
ai_class d1 { expose trail; deadline 1s; attempts 16; max_wait off;
              retry_same off; }
ai_class d2 { expose trail; deadline 1s; attempts 16; max_wait 1s; }
--- check
provider_fault($_, '500 delay=400') for qw(a b c d);
my ($r, $s) = ask_all([class => 'd1'], [class => 'd1', stream => 1]);
for (['json', $r], ['stream', $s]) {
    my ($what, $r) = @$_;
    is("$r->{status} " . error_code($r), '504 deadline_exceeded', $what);
    like(way($r), qr/^a,b,c$/, "$what: way");
    within($r, 0.8, 1.6, $what);
}

provider_fault($_, 'hang') for qw(a b c d);
($r, $s) = ask_all([class => 'd1'], [class => 'd1', stream => 1]);
for (['json', $r], ['stream', $s]) {
    my ($what, $r) = @$_;
    is("$r->{status} " . error_code($r), '504 deadline_exceeded',
       "silent $what");
    is(way($r), 'a', "silent $what: way");
    within($r, 0.9, 1.6, "silent $what");
}

# no wait past the deadline
fresh();
provider_fault('a', 'status=429 retry_after_ms=950 delay=200');
$r = ask(model => 'alone', class => 'd2');
is("$r->{status} " . way($r), '429 a', 'no wait past the deadline');
within($r, 0.2, 0.8, 'no wait past the deadline');



=== TEST 12: a silent target is not asked again
--- routes
ai_class later { expose trail; deadline 3s; attempts 8; first_byte 300ms;
                 first_token 300ms; retry_same first; max_wait 2s; queue 2s; }
ai_class back  { expose trail; deadline 5s; attempts 8; first_byte 300ms;
                 retry_same off; max_wait 2s; }
ai_class line  { expose trail; deadline 5s; attempts 8; first_byte 300ms;
                 retry_same off; max_wait off; queue 3s; }
--- check
for my $sim ('hang', 'hang_headers', 'slow_first=5000',
             'keepalive_comments=50,delay=5000')
{
    for my $class ('quick', 'later') {
        provider_reset(qw(a b c d));
        # without a first token the head of a JSON answer does not count
        my $r = ask(model => "alone+sim:$sim", class => $class, stream => 1);
        is("$r->{status} " . trail($r), '504 a=' . ($sim eq 'hang' ? 504 : 200)
           . '/timeout', "$sim $class: once");
        is(error_code($r), 'deadline_exceeded', "$sim $class: code");
        is(requests('a'), 1, "$sim $class: one request");
        within($r, 0.3, 1.2, "$sim $class");
    }
}

provider_fault($_, 'hang') for qw(a b c d);
my $r = ask(class => 'quick');
is("$r->{status} " . way($r), '504 a,b,c,d', 'each once');
within($r, 1.2, 2.2, 'each once');

# not even when the request waited for another one
for my $class ('back', 'line') {
    fresh();
    provider_fault('b', "times=1 status=429 retry_after_ms=500\nok");
    $r = ask(model => 'two+sim:hang', class => $class);
    is("$r->{status} " . way($r), '200 a,b,b', "$class: not after a wait");
}



=== TEST 13: state of a provider is not carried to another
--- check
my %o = (path => '/v1/responses');
for my $state ('"previous_response_id":"resp_1",', '"conversation":"conv_1",',
               '"conversation":{"id":"conv_1"},')
{
    fresh();
    my $r = ask(%o, model => 'm+sim:reset', more => $state);
    is("$r->{status} " . way($r), '502 a,a', "reset $state");
    is(requests('b') + requests('c') + requests('d'), 0,
       "500 $state: nobody else");

    $r = ask(%o, model => 'm+sim:500', more => $state, class => 'off');
    is("$r->{status} " . way($r), '502 a', "500 off $state");
    $r = ask(%o, model => 'm+sim:401', more => $state, class => 'first');
    is("$r->{status} " . way($r), '502 a', "401 $state");
    operator_reset('a');
    $r = ask(%o, model => 'm+sim:hang', more => $state, class => 'quick');
    is("$r->{status} " . way($r), '504 a', "silent $state");
    $r = ask(%o, model => 'm+sim:status=429,retry_after=30', more => $state);
    is("$r->{status} " . way($r), '429 a', "429 $state");
}
provider_fault('a', "times=1 500\nok");
is(way(ask(%o, more => '"previous_response_id":"resp_1",')), 'a,a',
   'once more');
fresh();
my $r = ask(%o, model => 'm+sim:500', more => '"previous_response_id":null,');
is("$r->{status} " . way($r), '200 a,b', 'null is none');
$r = ask(model => 'm+sim:500', more => '"previous_response_id":"x",');
is("$r->{status} " . way($r), '200 a,b', 'only where it is one');



=== TEST 14: what may have been made is not made twice
--- routes
upstream own { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=openai base=http://own/v1; }
upstream own2 { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=openai base=http://own2/v1; }
upstream own3 { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=compatible base=http://own3/v1; }
ai_class made { expose trail; deadline 5s; attempts 4; first_byte 300ms;
                retry_same last; max_wait off; }
ai_route pic { target own; target own2 tier=2; target own3 tier=3;
               backup other; }
ai_route pic-dead { target dead; target own2 tier=2; }
ai_route other { target own3; }
--- check
my $ok = '{"created":1,"data":[{"b64_json":"eA=="}]}';
own_server('OWN', sub {
    my ($c, $q) = @_;
    my ($what, $host) = ($q =~ /"what":"(\w+)"/, $q =~ /^Host: (\w+)/mi);
    my ($code, $body) = $host eq 'own2' ? (200, $ok) : ($what, '{}');

    sleep(3), return if $code eq 'hang';
    return if $code eq 'close';
    if ($code =~ /^half/) {
        syswrite $c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                     . "Content-Length: 900\r\n\r\n{\"created\"";
        return;
    }
    syswrite $c, "HTTP/1.1 $code X\r\nContent-Type: application/json\r\n"
                 . "Retry-After: 9\r\nConnection: close\r\nContent-Length: "
                 . length($body) . "\r\n\r\n$body";
});
for my $path ('/v1/images/generations', '/v1/audio/speech') {
    for (['500', '502 own'], ['502', '502 own'], ['close', '502 own'],
         ['half', '502 own'], ['hang', '504 own'], ['401', '502 own'],
         ['400', '400 own'], ['429', '200 own,own2'], ['503', '200 own,own2'],
         ['200', '200 own'])
    {
        my ($what, $want) = @$_;
        my $r = ask(path => $path, class => 'made',
                    model => 'pic', more => qq("what":"$what",));
        is("$r->{status} " . way($r), $want, "$path $what");
        operator_reset(qw(own own2 own3));
    }
    is(way(ask(path => $path, class => 'made', model => 'pic-dead',
               more => '"what":"200",')), 'dead,own2',
       "$path: was not sent yet");
}
# an inference request with the same fault moves on
is(way(ask(class => 'made', model => 'pic', more => '"what":"500",')),
   'own,own2', 'chat moves');
--- log_ok chomp
Connection refused



=== TEST 15: the retry budget: who would not be tried again is not said to be kept from it
--- check
my $spent = qr/retry budget is spent/;
my $said = sub { return scalar(() = slurp("$ENV{TEST_NGINX_SERVROOT}/logs/"
                                          . 'error.log') =~ /$spent/g) };

ask(model => 'two+sim:500', class => 'off') for 1 .. 101;
my $n = $said->();
cmp_ok($n, '>', 0, 'it is spent');

my $r = ask(model => 'two+sim:400', class => 'off');
is("$r->{status} $r->{h}{'x-ai-attempts'}", '400 1', 'about the request');
my $q = open_request(model => 'two+sim:delay=3000', class => 'off');
sleep 0.3;
close $q->{socket};
is(logged($q)->{outcome}, 'client_gone', 'the client has left');
is($said->(), $n, 'nothing was kept from them');

is(ask(model => 'two+sim:500', class => 'off')->{status}, 502, 'but here');
is($said->(), $n + 1, 'it was');
