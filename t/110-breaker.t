# Copyright (C) nginx-ai-route contributors

# The breakers as clients and providers see them: what opens one and what does
# not, one probe at a time for all workers, the way back.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIWorkers;

use Time::HiRes qw(sleep);

workers(2);

my $http = <<'END';
ai_usage off;
ai_class default { expose trail; max_wait off; retry_same off; }
ai_class brief { expose trail; max_wait off; retry_same off; first_byte 1s; }
END

my $accounts = <<'END';
ai_breaker failures=5 rate=100 open=20s max_open=20s ramp=off;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m m2 { target a; target b tier=2; }
END

check_blocks(http => $http, accounts => $accounts, reset => [qw(a b)],
             perl => sub { eval shift });

# an account whose breaker for these requests opens
sub trip {
    my ($name, @arg) = @_;

    provider_fault($name, '500');
    ask(@arg) for 1 .. 5;
    is(requests($name), 5, "$name was asked as often as it takes");
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: by failures in a row
--- check
provider_fault('a', "times=1 500\ntimes=1 ok\ntimes=4 500\ntimes=1 ok\n500");
my @r = map { ask() } 1 .. 20;

is(statuses(@r), '200:20', 'all are served');
is(trail($r[0]), 'a=500/server_error,b=200/ok', 'the first fails');
is(trail($r[1]), 'a=200/ok', 'one failure closes nothing');
is(trail($r[6]), 'a=200/ok', 'nor do four');
is(way($r[11]), 'a,b', 'the fifth in a row');
is(trail($_), 'b=200/ok', 'open') for @r[12 .. 19];
is(requests('a'), 12, 'not asked after that');



=== TEST 2: by rate
--- routes
ai_route even { target a model=even; target b tier=2; }
--- accounts
ai_breaker failures=0 rate=50 min=10 window=20s open=20s max_open=20s;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
--- check
# a third is not enough, however many there are
provider_fault('a', join "\n", ("times=2 ok\ntimes=1 500") x 7, 'ok');
my @r = map { ask() } 1 .. 23;
is(hits('a', @r), 23, 'below the rate');
is(statuses(@r), '200:23', 'all are served');

provider_reset('a');
provider_fault('a', join "\n", ("times=1 ok\ntimes=1 500") x 5, 'ok');
@r = map { ask(model => 'even') } 1 .. 9;
is(hits('a', @r), 9, 'fewer than the sample');
is(way(ask(model => 'even')), 'a,b', 'half of the sample');
is(way(ask(model => 'even')), 'b', 'open');
is(requests('a'), 10, 'asked ten times');



=== TEST 3: one probe at a time, whatever the load
--- accounts
ai_breaker failures=5 rate=100 open=500ms max_open=500ms ramp=off;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
--- check
trip('a');
provider_fault('a', 'status=500 delay=100');
my @r = load(rate => 200, seconds => 3);

is(statuses(@r), '200:600', 'all are served');
my @probes = grep { hits('a', $_) } @r;
is(requests('a') - 5, scalar @probes, 'the provider counts the same');
# open for 450 to 550 ms, then a probe of 100 ms
between(scalar @probes, 4, 6, 'probes in 3 s');
for (1 .. $#probes) {
    cmp_ok($probes[$_]{t} - $probes[$_ - 1]{t}, '>', 0.5, 'time between two');
}

# one that does not come back keeps the others away
provider_fault('a', 'hang');
my $n = requests('a');
@r = load(rate => 100, seconds => 2, each => sub { (class => 'brief') });
is(statuses(@r), '200:200', 'all are served');
between(requests('a') - $n, 1, 2, 'silent probes');



=== TEST 4: the way back is a ramp
--- accounts
ai_breaker failures=5 rate=100 open=500ms max_open=500ms ramp=2s;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
--- check
trip('a');
provider_fault('a', '');
my @r = load(rate => 200, seconds => 3.5);
is(statuses(@r), '200:700', 'all are served');
my ($first) = grep { hits('a', $_) } @r;
between($first->{t}, 0, 0.8, 'the probe');

my $share = sub {
    my ($from, $to) = @_;
    my @part = grep { $_->{t} > $first->{t} + $from
                      && $_->{t} <= $first->{t} + $to } @r;
    return int 100 * hits('a', @part) / (@part || 1);
};
# some 15 % of 116 requests, by chance
between($share->(0.02, 0.6), 4, 35, 'share at first');
between($share->(0.7, 1.3), 35, 75, 'half-way');
between($share->(2.1, 2.7), 100, 100, 'at the end');



=== TEST 5: what it covers
--- check
# streams and others
trip('a', stream => 1);
provider_fault('a', '');
is(way(ask(stream => 1)), 'b', 'streams: open');
is(way(ask()), 'a', 'other answers are not concerned');
is(way(ask(model => 'm2', stream => 1)), 'a', 'nor another model');
is(way(ask(path => '/v1/completions', stream => 1)), 'a',
   'nor another endpoint');

# the other way round
provider_reset('a');
trip('a', model => 'm2');
provider_fault('a', '');
is(way(ask(model => 'm2')), 'b', 'answers: open');
is(way(ask(model => 'm2', stream => 1)), 'a', 'streams are not concerned');
is(way(ask()), 'a', 'nor another model');



=== TEST 6: streams that break
--- check
provider_fault('a', 'cut=3');
my @r = map { ask(stream => 1) } 1 .. 6;
is(join(' ', map { $_->{h}{'x-ai-account'} } @r), 'a a a a a b',
   'five cuts in a row');
is($r[5]{status}, 200, 'the sixth is served');
provider_fault('a', '');
is(way(ask()), 'a', 'other answers are not concerned');
is(way(ask(stream => 1)), 'b', 'open');

accounts_open('a');
provider_reset('a');
provider_fault('a', 'close');
is(way(ask(stream => 1)), 'a,b', 'no answer') for 1 .. 5;
is(way(ask(stream => 1)), 'b', 'no answer: open');
# a kept connection that closes is not the provider's answer
between(requests('a'), 5, 6, 'no answer: not asked');



=== TEST 7: connections are the account's
--- accounts
ai_breaker failures=4 rate=100 open=500ms max_open=500ms ramp=off;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=compatible base=http://b/v1; }
ai_route m m2 { target a; target b tier=2; }
--- check
my $ok = eval {
    provider_stop('a');
    is(way(ask(stream => $_ % 2, model => $_ < 2 ? 'm' : 'm2')), 'a,b',
       'refused, whatever the model') for 0 .. 3;
    # the probe is early if the machine is late: look at many
    my @r = ask_all(map { [model => $_ % 2 ? 'm' : 'm2', stream => $_ % 3] }
                        1 .. 12);
    is(statuses(@r), '200:12', 'all are served');
    cmp_ok(hits('a', @r), '<=', 1, 'all models and streams keep away');
    1;
};
my $error = $@;
provider_start('a');
die $error unless $ok;
ok(wait_for(3, sub { way(ask()) eq 'a' }), 'comes back by itself');
is(way(ask(model => 'm2', stream => 1)), 'a', 'for all of them');



=== TEST 8: what does not count
--- accounts
ai_breaker failures=3 rate=100 open=20s max_open=20s;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
--- check
provider_fault('a', "times=6 status=429 retry_after_ms=40\nok");
for (1 .. 6) {
    is(way(ask()), 'a,b', 'a rate limit');
    sleep 0.08;
}
is(way(ask()), 'a', 'rate limits are not failures');

provider_fault('a', 'status=400');
is(ask()->{status}, 400, 'a bad request') for 1 .. 4;
provider_fault('a', '');
is(way(ask()), 'a', 'bad requests are not failures');

provider_fault('a', 'delay=5000');
for (1 .. 4) {
    my $q = open_request();
    sleep 0.15;
    close $q->{socket};
}
sleep 0.1;
is(stats('a')->{aborted}, 4, 'clients left');
provider_fault('a', '');
is(way(ask()), 'a', 'clients that leave are not failures');

# and the control
provider_fault('a', '500');
ask() for 1 .. 3;
provider_fault('a', '');
is(way(ask()), 'b', 'failures are');



=== TEST 9: an old request's late failure
--- accounts
ai_breaker failures=1 rate=100 open=300ms max_open=300ms ramp=off;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
--- check
provider_fault('a', "times=1 words=8 gap=500 cut=5\ntimes=1 500\nok");
my $old = open_request(stream => 1);
sleep 0.2;
is(way(ask(stream => 1)), 'a,b', 'opens');
is(way(ask(stream => 1)), 'b', 'open');
sleep 0.5;
is(way(ask(stream => 1)), 'a', 'recovers');
my $r = (answers($old))[0];
like($r->{body}, qr/word3/, 'the old one had begun');
cmp_ok($r->{took}, '>', 1.2, 'and ended late');
is(way(ask(stream => 1)), 'a', 'does not open it again');

provider_fault('a', "times=1 cut=3\nok");
ask(stream => 1);
is(way(ask(stream => 1)), 'b', 'a new one does');



=== TEST 10: slow answers
--- accounts
ai_breaker failures=0 rate=50 min=6 window=20s open=20s max_open=20s;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a/v1;
    ai_breaker slow=150ms; }
upstream s { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://s/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
ai_route slow { target s; target b tier=2; }
--- check
provider_fault('a', 'delay=250');
my @r = map { ask() } 1 .. 7;
is(statuses(@r), '200:7', 'all are served');
is(join(' ', map { way($_) } @r), 'a a a a a a b', 'slow answers open it');
@r = map { ask(model => 'slow') } 1 .. 8;
is(hits('s', @r), 8, 'not where it is off');

# to the first token, not to the end
provider_fault('a', 'words=6 gap=60');
@r = map { ask(stream => 1) } 1 .. 8;
is(hits('a', @r), 8, 'a long stream is not slow');
accounts_open('a');
provider_fault('a', 'slow_first=250');
@r = map { ask(stream => 1) } 1 .. 7;
is(join(' ', map { way($_) } @r), 'a a a a a a b', 'a late first token is');



=== TEST 11: the operator's reset
--- check
trip('a');
is(way(ask()), 'b', 'open');
provider_fault('a', "times=4 500\nok");
accounts_open('a');
is(way(ask()), 'a,b', 'asked at once') for 1 .. 4;
is(way(ask()), 'a', 'nothing was left of the failures before');

# what began before it does not count
provider_fault('a', "times=6 status=500 delay=700\nok");
my @q = map { open_request() } 1 .. 6;
sleep 0.35;
accounts_open('a');
is(statuses(answers(@q)), '200:6', 'those under way are served');
is(way(ask()), 'a', 'they do not open it');



=== TEST 12: over a reload
--- check
trip('a');
provider_fault('a', '');
provider_fault('b', "times=4 500\nok");
is(way(ask(model => 'm', stream => 1)), 'a', 'streams');
reload();
is(way($_), 'b', 'still open') for ask_all(([]) x 8);
is(way(ask(stream => 1)), 'a', 'streams are still not concerned');
accounts_open('a');
is(way(ask()), 'a', 'reset');

# a run of failures goes on
accounts_open('a');
provider_fault('a', '500');
ask() for 1 .. 4;
reload();
is(way(ask()), 'a,b', 'the fifth');
is(way(ask()), 'b', 'opens it');



=== TEST 13: all are open
--- accounts
ai_breaker failures=3 rate=100 ramp=off;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a/v1;
    ai_breaker open=5s max_open=5s; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=compatible base=http://b/v1;
    ai_breaker open=20s max_open=20s; }
ai_route m { target b; target a; }
--- check
provider_fault($_, '500') for qw(a b);
ask() for 1 .. 3;
is(join(' ', map { requests($_) } qw(a b)), '3 3', 'both are open');

provider_fault($_, 'status=500 delay=600') for qw(a b);
my @r = ask_all(([]) x 24);
is(join(' ', map { requests($_) } qw(a b)), '4 3',
   'one goes to the one that is due soonest');
my @others = grep { way($_) eq '-' } @r;
is(scalar @others, 23, 'the others are not sent');
is(statuses(@others), '503:23', 'the others: 503');
is(error_code($others[0]), 'no_target', 'the others: code');
is(scalar(grep { ($_->{h}{'retry-after'} || 0) =~ /^[1-6]$/ } @others), 23,
   'the others: Retry-After')
    or diag(join ' ', map { $_->{h}{'retry-after'} || '-' } @others);
cmp_ok((sort { $a <=> $b } map { $_->{took} } @others)[-1], '<', 0.5,
       'the others: at once');

# no herd of probes either
provider_fault($_, '500') for qw(a b);
my $n = requests('a') + requests('b');
@r = load(rate => 100, seconds => 2);
between(requests('a') + requests('b') - $n, 1, 5, 'probes in 2 s');
is(scalar(grep { $_->{status} < 500 } @r), 0, 'nobody is told a success');

# its success is the way back
provider_fault($_, '') for qw(a b);
ok(wait_for(3, sub { trail(ask()) eq 'a=200/ok' }), 'a probe that succeeds');
is(way(ask()), 'a', 'then all go there') for 1 .. 4;
is(statuses(ask_all(([]) x 12)), '200:12', 'well again');



=== TEST 14: a worker that dies with the probe
--- accounts
ai_breaker failures=3 rate=100 open=300ms max_open=300ms ramp=off;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
--- log_ok chomp
exited on signal 9
--- check
provider_fault('a', "times=3 500\nhang");
ask() for 1 .. 3;
sleep 0.4;
my $q = open_request();
ok(wait_for(2, sub { requests('a') == 4 }), 'a probe is out');
is(way(ask()), 'b', 'the only one');
kill_workers();
provider_fault('a', '');
ok(wait_for(4, sub { way(ask()) eq 'a' }), 'the probe comes back');



=== TEST 15: streams that crawl
--- accounts
ai_breaker failures=0 rate=50 min=4 window=30s open=20s max_open=20s ramp=off
           min_speed=20;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=openai base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
--- check
# too few tokens tell no speed
provider_fault('a', 'words=10 gap=100');
ask_all(([stream => 1]) x 4);
is(way(ask(stream => 1)), 'a', 'short ones do not count');

# 40 tokens in 0.8 s are quick enough, in 4 s they are not
provider_fault('a', 'words=40 gap=20');
ask_all(([stream => 1]) x 5);
is(way(ask(stream => 1)), 'a', 'quick ones');
provider_fault('a', 'words=40 gap=100');
ask_all(([stream => 1]) x 16);
is(way(ask(stream => 1)), 'b', 'slow ones open the breaker');
is(way(ask()), 'a', 'that of streams only');



=== TEST 16: the probe of a closed account meets a rate limit
--- check
# which is about the model alone: the next request is the probe
provider_fault('a', "times=1 status=401 retry_after=1\ntimes=1 429\nok");
is(trail(ask()), 'a=401/auth,b=200/ok', 'closed');
sleep 1.2;
is(trail(ask()), 'a=429/rate_limit,b=200/ok', 'a probe');
is(trail(ask(model => 'm2')), 'a=200/ok', 'the next');
is(trail(ask(model => 'm2')), 'a=200/ok', 'open');
operator_reset('a');

# a hint that proves wrong is not believed again: the time is the closure's own
provider_fault('a', "status=401 retry_after=1");
is(trail(ask()), 'a=401/auth,b=200/ok', 'closed');
sleep 1.2;
is(trail(ask()), 'a=401/auth,b=200/ok', 'closed again');
sleep 1.2;
is(trail(ask()), 'b=200/ok', 'for longer than the hint');
