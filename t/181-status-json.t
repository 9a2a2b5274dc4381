# Copyright (C) nginx-ai-route contributors

# GET status: every field of it is in docs/status.md and the other way round,
# and what it says of states, limits, the sink and the queue is so.

BEGIN {
    unless (grep { -x "$_/redis-server" } split /:/, $ENV{PATH}) {
        print "1..0 # SKIP redis-server is not installed\n";
        exit;
    }
}

use lib 't/lib';
use AIRoute providers => [qw(a b)], redis => 1;
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIStatus;
use AIWorkers;

use Digest::SHA qw(sha256_hex);
use HTTP::Tiny ();
use JSON::PP ();
use Time::HiRes qw(time sleep);

workers(2);

my $tmp = tmp_dir();

# what holds the folders, for workers that are nobody
chmod 0755, $tmp;

open my $fh, '>', "$tmp/prices.json" or die "$tmp: $!\n";
print $fh '{"other":{"input_cost_per_token":1e-6,',
          '"output_cost_per_token":1e-5}}';
close $fh;

# drills have tests of their own
my $elsewhere = qr{^-?faults\W};

my $http = <<'END';
ai_class default { expose trail; max_wait off; retry_same off; attempts 3; }
ai_breaker failures=3 rate=100 open=20s max_open=20s ramp=off;
END

my $accounts = <<'END';
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a.test/v1 owner=ops; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b.test:8080/v1; }
ai_route m m2 { target a; target b tier=2 weight=3 model=other; }
ai_route alone { target a; }
END

check_blocks(http => sub { ($_[0]->usage || 'ai_usage off;') . "\n$http" },
             accounts => $accounts, reset => [qw(a b)],
             before => sub { redis_start(); redis_cli('FLUSHALL') },
             perl => sub { eval shift });

sub secret { return (head => "Authorization: Bearer $_[0]\r\n", @_[1 .. $#_]) }

sub hash { return 'sha256:' . sha256_hex($_[0]) }

$ENV{TEST_NGINX_KEY} = hash('s-k');
$ENV{TEST_NGINX_FREE} = hash('s-free');

# an operator's word about what the arguments name
sub say_of {
    my ($path) = @_;
    my $port = server_port();
    my $r = HTTP::Tiny->new->post("http://127.0.0.1:$port/ai/$path",
                       { headers => { Authorization => 'Bearer s3cr3t' } });

    is($r->{status}, 200, "POST $path");
}

# a moment that is so many seconds from now, within two
sub soon {
    my ($ms, $seconds, $name) = @_;
    my $off = defined $ms ? $ms / 1000 - time() - $seconds : 99;
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    cmp_ok(abs($off), '<', 3, "$name: in $seconds s");
}

sub limit {
    my ($of, $what, $per) = @_;

    return (grep { $_->{what} eq $what && ($_->{per} || '') eq ($per || '') }
                 @{ $of->{limits} })[0];
}

sub events { return map { $_->{what} } @{ $_[0]{events} } }

# until it is so, at most some seconds
sub becomes {
    my ($seconds, $code, $name) = @_;
    my $s;
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok(wait_for($seconds, sub { $code->($s = status()) }), $name)
        or diag(JSON::PP->new->canonical->pretty->encode($s->{sink}));
    return $s;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: every field is documented, and every documented one is there
--- accounts
ai_prices $TEST_NGINX_TMP/prices.json;
ai_key k hash=$TEST_NGINX_KEY app=shop team=search env=prod concurrent=9
    requests=10r/h tokens=1mt/d budget=5usd/month;
ai_key free hash=$TEST_NGINX_FREE;
ai_class gated { allow_backup manual; queue 5s max=7; }
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a.test/v1 owner=ops;
    ai_price * input=1 output=10;
    ai_limit requests=600r/m tokens=1mt/h concurrent=50 budget=2usd/day;
    ai_health_check interval=1s timeout=500ms; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b.test:8080/v1; }
ai_price * input=1 output=10;
ai_route m { target a; target b tier=2 model=other; backup spare;
             balance least_busy; window 100000; }
ai_route spare { target b; }
--- usage eval
"ai_usage redis://127.0.0.1:\$TEST_NGINX_REDIS_PORT/0 stream=s
          spool=\$TEST_NGINX_TMP/spool-1;"
--- check
is(ask(secret('s-k'))->{status}, 200, 'served');
is(ask(secret('s-k', stream => 1))->{status}, 200, 'streamed');
is(ask(secret('s-free'))->{status}, 200, 'another key');
my $s = becomes(4, sub { $_[0]{accounts}[0]{check}{verdict}
                         && @{ $_[0]{accounts}[0]{models}[0]{cells} } == 2
                         && $_[0]{totals}{requests} == 3 },
                'all is there');
my $spec = documented();
is_deeply([grep { !/$elsewhere/ } differences($s, $spec)], [],
          'fields of both');
my %seen = map { $_ => 1 } seen_fields($s);
is_deeply([grep { !$seen{$_} && !/$elsewhere/ } seen_fields($spec)], [],
          'each was seen');
cmp_ok(scalar keys %seen, '>', 250, 'which are many');

is($s->{version}, '0.7.0', 'version');
like($s->{nginx}, qr/^\d+\.\d+\.\d+$/, 'nginx');
soon($s->{now_ms}, 0, 'now');
my ($r) = grep { $_->{name} eq 'm' } @{ $s->{routes} };
is_deeply([@{$r}{qw(patterns balance targets backups window)}],
          [['m'], 'least_busy',
           [{ account => 'a', model => undef, tier => 1, weight => 1 },
            { account => 'b', model => 'other', tier => 2, weight => 1 }],
           ['spare'], 100000], 'a route');
my ($c) = grep { $_->{name} eq 'gated' } @{ $s->{classes} };
is_deeply([@{$c}{qw(queue_ms queue_max allow_backup gate)}],
          [5000, 7, 'manual', 'closed'], 'a class');
is(scalar(grep { $_->{default} } @{ $s->{classes} }), 1, 'one default');
is($s->{keys}{configured}, 2, 'keys');
my %k = map { $_->{id} => $_ } @{ $s->{keys}{list} };
is_deeply([@{ $k{k} }{qw(app team env inflight)}],
          ['shop', 'search', 'prod', 0], 'a key');
is_deeply([map { "$_->{what} " . ($_->{per} || '') } @{ $k{k}{limits} }],
          ['requests hour', 'tokens day', 'concurrent ', 'budget month'],
          'its limits');
is(limit($k{k}, 'requests', 'hour')->{used}, 2, 'used');
cmp_ok(limit($k{k}, 'budget', 'month')->{used}, '>', 0, 'spent');
is($k{k}{totals}{requests}, 2, 'requests');
is_deeply([@{ $k{free} }{qw(app team env inflight limits)}],
          [undef, undef, undef, undef, []], 'a key without limits');
soon($k{free}{last_ms}, 0, 'when it was used');
is($s->{totals}{requests}, 3, 'all');
is(account($s, 'a')->{totals}{ok}, 3, 'of an account');
is_deeply([sort map { $_->{name} } @{ $s->{teams} }], ['', 'search'], 'teams');
ok($s->{prices}{known}, 'prices');
my $check = account($s, 'a')->{check};
is("$check->{interval_ms} $check->{verdict}", '1000 ok', 'check');
soon($check->{last_ms}, 0, 'a check');
is_deeply([@{ account($s, 'b') }{qw(name provider host owner operate state
                                    cause back_ms percent inflight check)}],
          ['b', 'compatible', 'b.test:8080', undef, 'enabled', 'open', undef,
           undef, 100, 0, undef], 'an account');



=== TEST 2: a breaker
--- check
provider_fault('a', '500');
ask() for 1 .. 3;
my $s = status();
is(account($s, 'a')->{state}, 'open', 'the account as a whole is not away');
is(model($s, 'a', 'm')->{state}, 'open', 'nor the model');
my $c = cell($s, 'a', 'm');
is("@{$c}{qw(endpoint state cause)}", 'chat tripped server_error', 'the cell');
ok(JSON::PP::is_bool($c->{stream}) && !$c->{stream}, 'not streamed');
my $b = $c->{breaker};
is_deeply([@{$b}{qw(state reason consecutive openings probes window)}],
          ['open', 'consecutive', 3, 1, 0,
           { ok => 0, failed => 3, slow => 0 }], 'its breaker');
soon($b->{since_ms}, 0, 'since');
soon($b->{next_probe_ms}, 20, 'probe');
is($c->{back_ms}, $b->{next_probe_ms}, 'back');
is((events($s))[0], 'opened', 'an event');
is_deeply([@{ $s->{events}[0] }{qw(account model endpoint)}],
          [qw(a m chat)], 'of the cell');
is(account($s, 'a')->{breaker}{state}, 'closed', 'connections');
is(account($s, 'a')->{breaker}{reason}, undef, 'never');
is($s->{retry_budget}{retries}, 3, 'retries');

provider_fault('a', '');
accounts_open('a');
$s = status();
is(cell($s, 'a', 'm')->{breaker}{state}, 'closed', 'reset');
soon(cell($s, 'a', 'm')->{breaker}{since_ms}, 0, 'since');
is(ask()->{status}, 200, 'an answer') for 1 .. 2;
$c = cell(status(), 'a', 'm');
is($c->{latency_ms}{count}, 2, 'latency');
cmp_ok($c->{latency_ms}{p99}, '>=', $c->{latency_ms}{p50}, 'percentiles');
is($c->{first_token_ms}{p50}, undef, 'no sample');
is($c->{breaker}{window}{ok}, 2, 'window');



=== TEST 3: connections
--- accounts eval
"upstream a { server 127.0.0.1:1;
    ai_account provider=compatible base=http://a/v1; }
ai_route m { target a; }\n"
--- check
ask() for 1 .. 3;
my $a = account(status(), 'a');
is("$a->{state} $a->{cause} $a->{breaker}{state}", 'tripped connect open',
   'the account as a whole');
soon($a->{back_ms}, 20, 'back');



=== TEST 4: cooling and closed
--- check
provider_fault('a', "times=1 status=429 retry_after=9\nok");
ask();
my $s = status();
my $m = model($s, 'a', 'm');
is("$m->{state} $m->{cause}", 'cooling rate_limit', 'a model');
soon($m->{back_ms}, 9, 'back');
is(cell($s, 'a', 'm')->{state}, 'cooling', 'its cell');
is(account($s, 'a')->{state}, 'open', 'not the account');
is((events($s))[0], 'cooling', 'an event');

provider_fault('a', '401');
ask(model => 'm2');
$s = status();
my $a = account($s, 'a');
is("$a->{state} $a->{cause}", 'closed auth', 'the account');
ok($a->{back_ms} > $s->{now_ms}, 'back');
is(model($s, 'a', 'm2')->{state}, 'closed', 'its model');
is(account($s, 'b')->{state}, 'open', 'another account');
is((events($s))[0], 'closed', 'an event');
provider_fault('a', '');



=== TEST 5: headroom
--- check
ask();
is(model(status(), 'a', 'm')->{headroom}, undef, 'not known');
provider_fault('a', 'ratelimit=5/100/30s');
ask();
my $m = model(status(), 'a', 'm');
is($m->{headroom}, 5, 'five of a hundred');
cmp_ok($m->{percent}, '<', 100, 'less of its weight');



=== TEST 6: an operator's word
--- check
ask();
ask(stream => 1);
say_of('accounts/a/drain');
my $s = status();
my $a = account($s, 'a');
is_deeply([@{$a}{qw(operate state cause back_ms)}],
          ['draining', 'stopped', undef, undef], 'an account');
my $c = cell($s, 'a', 'm');
is("$c->{operate} $c->{state}", 'enabled stopped', 'its cells');
is((events($s))[0], 'drain', 'an event');
say_of('accounts/a/enable');

say_of('accounts/a/disable?model=m');
$s = status();
is(account($s, 'a')->{state}, 'open', 'not the account');
is(model($s, 'a', 'm')->{operate}, 'disabled', 'a model');
say_of('accounts/a/enable?model=m');

say_of('accounts/a/drain?model=m&endpoint=chat&stream=1');
$s = status();
is(model($s, 'a', 'm')->{state}, 'open', 'not the model');
is(cell($s, 'a', 'm', 1)->{state}, 'stopped', 'a cell');
is(cell($s, 'a', 'm', 0)->{state}, 'open', 'not the other');



=== TEST 7: limits of an account
--- accounts
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a.test/v1;
    ai_limit requests=5r/d tokens=1000t/d concurrent=2; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b.test/v1; }
ai_route m { target a; }
ai_route free { target b; }
--- check
is(account(status(), 'a')->{limits}[$_]{used}, 0, 'fresh') for 0 .. 2;
provider_fault('a', 'delay=1500');
my @q = map { open_request(more => '"max_tokens":10,') } 1 .. 2;
ok(wait_for(2, sub { requests('a') == 2 }), 'two run');
my $s = status();
my $a = account($s, 'a');
is("$a->{inflight} $s->{inflight}", '2 2', 'in flight');
is("$a->{state} $a->{cause}", 'limited rate_limit', 'no third one');
is_deeply(limit($a, 'concurrent'),
          { what => 'concurrent', per => undef, limit => 2, used => 2,
            resets_ms => undef }, 'concurrent');
is_deeply(limit($a, 'requests', 'day'),
          { what => 'requests', per => 'day', limit => 5, used => 2,
            resets_ms => undef }, 'requests');
cmp_ok(limit($a, 'tokens', 'day')->{used}, '>', 0, 'tokens');
answers(@q);
provider_fault('a', '');
ask(more => '"max_tokens":10,') for 1 .. 3;
$a = account(status(), 'a');
is(limit($a, 'requests', 'day')->{used}, 5, 'all of it');
is("$a->{state} $a->{inflight}", 'limited 0', 'limited');
cmp_ok($a->{back_ms}, '>', time() * 1000 + 3600_000, 'for long');
is_deeply(account(status(), 'b')->{limits}, [], 'none');



=== TEST 8: budgets
--- accounts
ai_price * input=1 output=10;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a.test/v1;
    ai_limit budget=0.001usd/day,1usd/total; }
ai_route m { target a; }
--- check
my $day = limit(account(status(), 'a'), 'budget', 'day');
is("$day->{limit} $day->{used}", '1000000 0', 'nothing spent');
is($day->{resets_ms} % 86400_000, 0, 'until midnight');
is_deeply(status()->{prices}, { known => JSON::PP::true, missing => 0 },
          'ai_price, and no map');
cmp_ok($day->{resets_ms}, '>', time() * 1000, 'the next one');
provider_fault('a', 'delay=1000');
my $q = open_request(more => '"max_tokens":50,');
ok(wait_for(2, sub { requests('a') == 1 }), 'one runs');
my $reserved = limit(account(status(), 'a'), 'budget', 'day')->{used};
cmp_ok($reserved, '>=', 500_000, 'reserved');
answer($q);
my $total = limit(account(status(), 'a'), 'budget', 'total');
ok($total->{used} > 0 && $total->{used} < $reserved, 'spent')
    or diag("$total->{used} $reserved");
is($total->{resets_ms}, undef, 'never');
provider_fault('a', 'prompt=2000');
ask(more => '"max_tokens":50,');
my $a = account(status(), 'a');
is("$a->{state} $a->{cause}", 'limited quota_exhausted', 'spent');
is($a->{back_ms}, limit($a, 'budget', 'day')->{resets_ms}, 'until then');



=== TEST 9: a reload, and two workers
--- check
my $s = status();
ok(!$s->{prices}{known}, 'no prices');
my %pid = ($s->{pid} => 1);
ok(wait_for(5, sub { $pid{ status()->{pid} } = 1; keys %pid == 2 }),
   'both answer');
ask() for 1 .. 4;
sleep 1.1;
reload(gone => 1);
my $t = status();
is($t->{started_ms}, $s->{started_ms}, 'the zone is the same');
cmp_ok($t->{uptime_s}, '>=', $s->{uptime_s} + 1, 'uptime goes on');
cmp_ok($t->{loaded_ms}, '>', $s->{loaded_ms}, 'the configuration is new');
ok(!$pid{ $t->{pid} }, 'so is the worker');
is((events($t))[0], 'loaded', 'an event');
is(cell($t, 'a', 'm')->{latency_ms}{count}, 4, 'what was counted is there');
cmp_ok($t->{zone}{used_bytes}, '>', 0, 'used');
cmp_ok($t->{zone}{used_bytes}, '<', $t->{zone}{room_bytes}, 'of the room');
ok(!$t->{zone}{full}, 'not full');



=== TEST 10: sections, methods
--- check
my $s = status('section=accounts,events');
is(join(' ', sort keys %$s), 'accounts events now_ms', 'two of them');
is(join(' ', sort keys %{ status('section=now_ms') }), 'now_ms', 'one');
for (['section=accounts,nothing', 'nothing'], ['section=', ''],
     ['section=accounts,', ''], ['section=%22%ff', '\"\ufffd'])
{
    my ($query, $word) = @$_;
    my $r = status_answer($query);

    is($r->{status}, 400, $query);
    like($r->{content}, qr/"there is no section \\"\Q$word\E\\""/, 'said');
}

my $r = status_answer();
is($r->{headers}{'content-type'}, 'application/json', 'type');
is($r->{headers}{'cache-control'}, 'no-store', 'not cached');
my $h = status_answer(undef, 'HEAD');
is($h->{status} . ($h->{content} // ''), '200', 'HEAD');
cmp_ok($h->{headers}{'content-length'}, '>', 1000, 'as long');
for my $method (qw(POST DELETE PUT)) {
    my $r = status_answer(undef, $method);

    is("$r->{status} $r->{headers}{allow}", '405 GET, HEAD', $method);
}
is(status()->{keys}{configured}, undef, 'no keys');
is(status()->{sink}{type}, 'off', 'no sink');
ok(status()->{sink}{healthy}, 'which is well');



=== TEST 11: a file
--- usage
ai_usage file:$TEST_NGINX_TMP/usage-11.jsonl;
--- check
ask() for 1 .. 5;
my $s = becomes(2, sub { $_[0]{sink}{delivered} == 5 }, 'five records');
is_deeply($s->{sink},
          { type => 'file', stream => undef, healthy => JSON::PP::true,
            connected => undef, connections => undef, accepted => 5,
            delivered => 5, lag => 0, dropped => 0, spooled => 0,
            replayed => 0, damaged => 0, spool_bytes => undef,
            spool_max_bytes => undef }, 'the sink');



=== TEST 12: Redis comes and goes, workers die
--- usage eval
'ai_usage redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/0 stream=s;'
--- log_ok chomp
exited on signal 9
--- check
my $s = becomes(5, sub { $_[0]{sink}{connected} == 2 }, 'two connections');
is("@{ $s->{sink} }{qw(type stream connections)}", 'redis s 2', 'the sink');
ask() for 1 .. 4;
$s = becomes(3, sub { $_[0]{sink}{delivered} == 4 }, 'all are there');
is("@{ $s->{sink} }{qw(accepted lag dropped)}", '4 0 0', 'nothing is left');
ok($s->{sink}{healthy}, 'healthy');

redis_stop('KILL');
ask() for 1 .. 6;
# the last one is recorded after its client has the answer
$s = becomes(3, sub { !$_[0]{sink}{healthy} && $_[0]{sink}{accepted} == 10 },
             'away');
is("@{ $s->{sink} }{qw(connected accepted lag)}", '0 10 6', 'they wait');
redis_start();
$s = becomes(5, sub { $_[0]{sink}{delivered} == 10 }, 'back');
is("@{ $s->{sink} }{qw(lag dropped)}", '0 0', 'nothing is lost');

redis_stop('KILL');
ask() for 1 .. 3;
becomes(3, sub { $_[0]{sink}{accepted} == 13 }, 'three more');
kill_workers();
$s = status();
is("@{ $s->{sink} }{qw(connected connections accepted lag dropped)}",
   '0 2 13 0 3', 'they are lost with their workers');
redis_start();
becomes(5, sub { $_[0]{sink}{connected} == 2 && $_[0]{sink}{healthy} },
        'two connections again');

kill 'STOP', redis_pid();
ask();
is(status()->{sink}{healthy}, JSON::PP::true, 'hung, not for long');
$s = becomes(9, sub { !$_[0]{sink}{healthy} }, 'hung for five seconds');
kill 'CONT', redis_pid();
becomes(9, sub { $_[0]{sink}{healthy} && $_[0]{sink}{lag} == 0 },
        'goes on');



=== TEST 13: the spool
--- usage eval
"ai_usage redis://127.0.0.1:\$TEST_NGINX_REDIS_PORT/0 stream=s
          queue=1m spool=\$TEST_NGINX_TMP/spool-13 spool_max=4m;"
--- log_ok chomp
exited on signal 9
--- check
becomes(5, sub { $_[0]{sink}{connected} == 2 }, 'connected');
redis_stop('KILL');
ask() for 1 .. 5;
kill_workers();
my $s = status();
is_deeply([@{ $s->{sink} }{qw(lag dropped spooled replayed
                              spool_max_bytes)}],
          [5, 0, 5, 0, 4 << 20], 'what the dead have left is kept');
redis_start();
$s = becomes(9, sub { $_[0]{sink}{lag} == 0 && $_[0]{sink}{healthy} },
             'replayed');
is("@{ $s->{sink} }{qw(delivered replayed dropped)}", '5 5 0', 'all of it');

redis_stop('KILL');
ask() for 1 .. 3;
becomes(3, sub { $_[0]{sink}{lag} == 3 }, 'three wait');
nginx_stop('TERM');
redis_start();
nginx_start();
$s = becomes(9, sub { $_[0]{sink}{replayed} == 3 }, 'of the run before');
is("@{ $s->{sink} }{qw(accepted delivered lag spooled)}", '0 3 0 0',
   'it is no debt of this one');



=== TEST 14: the queue, and its dead
--- accounts
ai_class q { expose trail; max_wait off; queue 20s; deadline 30s; }
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a.test/v1;
    ai_limit concurrent=1; }
ai_route m { target a; }
--- log_ok chomp
exited on signal 9
--- check
is_deeply(status()->{queue}, { parked => 0, slots => 1024 }, 'nobody waits');
provider_fault('a', 'delay=4000');
my @q = map { open_request(class => 'q') } 1 .. 4;
ok(wait_for(2, sub { status()->{queue}{parked} == 3 }), 'three wait');
kill_workers();
is(status()->{queue}{parked}, 0, 'nobody is left');
becomes(3, sub { $_[0]{inflight} == 0 }, 'nor in flight');



=== TEST 15: names of all kinds
--- accounts eval
qq(upstream "a \\"b\\"" { server 127.0.0.1:\$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a.test/v1
               "owner=<script>alert(1)</script>\xff\xfe"; }
ai_route * { target "a \\"b\\""; }\n)
--- check
my @names = ('say \"x\"', '<script>alert(1)</script>', 'a\\\\b',
             "\xc3\xa4 \xe2\x80\xa8", 'x' x 256);
is(ask(body => qq({"model":"$_","messages":[]}))->{status}, 200, 'served')
    for @names;
my $r = status_answer();
unlike($r->{content}, qr/[\x00-\x1f\x7f]/, 'no control character');
my $s = JSON::PP->new->utf8->decode($r->{content});
my $a = account($s, 'a "b"');
is($a->{owner}, "<script>alert(1)</script>\x{fffd}\x{fffd}", 'an owner');
is_deeply([map { $_->{model} } @{ $a->{models} }],
          ['say "x"', '<script>alert(1)</script>', 'a\\b',
           "\x{e4} \x{2028}", 'x' x 256], 'models');
ok(@{ $_->{cells} } == 1, 'each with its cell') for @{ $a->{models} };
say_of('accounts/a%20%22b%22/drain?model=%22%3Cb%3E');
is(status()->{events}[0]{model}, '"<b>', 'an event');



=== TEST 16: many models
--- accounts
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 64;
    ai_account provider=compatible base=http://a.test/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 64;
    ai_account provider=compatible base=http://b.test/v1; }
ai_route m-1* { target a; }
ai_route m-2* { target b; }
--- check
for my $round (0 .. 9) {
    ask_all(map { [model => sprintf 'm-%d%d%02d', 1 + $_ % 2, $round, $_] }
                0 .. 19);
}
my $s = status();
is(join(' ', map { scalar @{ $_->{models} } } @{ $s->{accounts} }), '100 100',
   'two hundred');
my %name = map { $_->{model} => 1 } map { @{ $_->{models} } }
               @{ $s->{accounts} };
is(scalar keys %name, 200, 'each once');
is(scalar(grep { /^m-1/ } map { $_->{model} }
               @{ account($s, 'a')->{models} }), 100, 'where they belong');
is(scalar(grep { $_->{cells}[0]{latency_ms}{count} != 1 }
               map { @{ $_->{models} } } @{ $s->{accounts} }), 0,
   'each with its cell');

# while others serve and add their own
my ($most, @n) = (0);
my @r = load(rate => 100, seconds => 2,
             each => sub { (model => "m-1-$_[0]") },
             at => [map { [$_ / 10, sub {
                 my $start = time();
                 push @n, scalar @{ account(status(), 'a')->{models} };
                 $most = time() - $start if time() - $start > $most;
             }] } 1 .. 18]);
is(statuses(@r), '200:200', 'under load');
is("@n", join(' ', sort { $a <=> $b } @n), 'none is passed over');
is(scalar @{ account(status(), 'a')->{models} }, 300, 'they are more');
cmp_ok($most, '<', 15, 'soon');



=== TEST 17: names that clients invent are no news
--- accounts
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 64;
    ai_account provider=compatible base=http://a.test/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 64;
    ai_account provider=compatible base=http://b.test/v1; }
ai_route m { target a; target b tier=2; }
ai_route x* { target a; target b; }
--- check
provider_fault('a', '500');
ask() for 1 .. 3;
provider_fault('a', '');
operator_reset('a');
ask(model => 'x-real') for 1 .. 2;
provider_fault($_, '404') for qw(a b);
ask_all(map { [model => "x-$_"] } 1 .. 150);
my $s = status();
is(join(' ', sort(events($s))), 'cooling cooling loaded opened reset',
   'once for each account, and the rest is still there');
my @told = grep { $_->{what} eq 'cooling' } @{ $s->{events} };
is(join(' ', sort map { "$_->{account} $_->{detail}" } @told),
   'a model_not_found b model_not_found', 'of each');
ask(model => 'x-real');
is((grep { ($_->{model} || '') eq 'x-real' } @{ status()->{events} }) > 0, 1,
   'one that has answered is news');
