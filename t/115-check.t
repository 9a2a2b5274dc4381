# Copyright (C) nginx-ai-route contributors

# Active checks: one at a time for all workers, over reloads and dead workers,
# and what their outcomes do to accounts that no client asks.

use lib 't/lib';
use AIRoute providers => [qw(a b c)], tls => [qw(t u)], redis => 1;
use Test::Nginx::Socket 'no_plan';

use HTTP::Tiny ();
use IO::Socket::INET ();
use Time::HiRes qw(time sleep);

use AIWorkers qw(nginx_signal workers_now);

my $tmp = tmp_dir();

workers(2);

$ENV{AI_TEST_KEY} = 'key-a';

my $http = <<'END';
ai_usage off;
ai_class default { expose trail; max_wait off; retry_same off; }
END

# a block's "accounts" are a with "check" and, behind it, b without any
my $accounts = <<'END';
ai_breaker failures=2 rate=100 open=1s max_open=1s ramp=off;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a.test/v1 key=env:AI_TEST_KEY;
    %s }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
ai_route n { target b; }
END

add_block_preprocessor(sub {
    my $block = shift;
    my $directive = defined $block->directive ? $block->directive : '';
    my $more = defined $block->accounts ? $block->accounts
                                        : sprintf $accounts, $directive;
    my $top = defined $block->top ? $block->top : $http;

    $block->set_value('main_config', "env AI_TEST_KEY;\n"
                                     . ($block->main || ''));
    # the name keeps Test::Nginx from using the nginx before once more
    $block->set_value('http_config', "# @{[$block->name]}\n$top$more");
    $block->set_value('config',
                      "location /v1/ { ai_pass; }\n"
                      . "location /ai/ { ai_status "
                      . "admin=sha256:$ENV{TEST_NGINX_ADMIN}; }\n"
                      . "location = /up { return 204; }\n");
    $block->set_value('request', "GET /up\n");

    # before nginx starts, unlike Test::Nginx's "init"
    provider_fault(split ' ', $_, 2) for split /\n/, $block->faults || '';
    $block->set_value('error_code', 204);
});

add_response_body_check(sub {
    my ($block, undef, undef, undef, $dry_run) = @_;

    return if $dry_run || !defined $block->check;

    eval '#line 1 "' . $block->name . "\"\n" . $block->check . "\n;1"
        or fail($block->name . " - check died: $@");
    provider_start($_) for qw(a b c t u);
    provider_reset(qw(a b c t u));
});

sub checks { return stats($_[0])->{models} }
sub asked { my $s = stats($_[0]); return $s->{requests} - $s->{models} }

# a client's request: status and trail, for example "200 a=200/ok"
sub ask {
    my $model = shift || 'm';
    my $r = HTTP::Tiny->new->post(
        'http://127.0.0.1:' . server_port() . '/v1/chat/completions',
        { headers => { 'Content-Type' => 'application/json' },
          content => qq({"model":"$model","messages":[]}) });
    my $trail = $r->{headers}{'x-ai-trail'};

    return $r->{status} . (defined $trail ? " $trail" : '');
}

sub command {
    my ($name, $what) = @_;

    is(operate($name, $what)->{status}, 200, "$what $name");
}

sub between {
    my ($value, $min, $max, $what) = @_;

    ok($value >= $min && $value <= $max, "$what: from $min to $max")
        or diag("it is $value");
}

sub log_lines {
    my $pattern = shift;
    return grep { /$pattern/ }
           split /\n/, slurp("$tmp/servroot/logs/error.log");
}

# the line is in the log, within so many seconds
sub logged {
    my ($pattern, $seconds) = @_;

    ok(wait_for($seconds || 5, sub { scalar log_lines($pattern) }),
       "log: $pattern");
}

# seconds until the old workers are gone, at most 5
sub reload {
    my %old = map { $_ => 1 } workers_now();
    my $start = time();

    nginx_signal('HUP');
    wait_for(5, sub {
        my @now = workers_now();
        return @now == 2 && !grep { $old{$_} } @now;
    });
    return time() - $start;
}

# the worker that has a connection to this provider, from /proc
sub checker {
    my $name = shift;
    my $port = sprintf ':%04X', $provider_port{$name};
    my %inode = map { (split)[9] => 1 }
                grep { (split)[2] =~ /\Q$port\E$/ && (split)[3] eq '01' }
                split /\n/, slurp('/proc/net/tcp');

    for my $pid (workers_now()) {
        for my $fd (glob "/proc/$pid/fd/*") {
            my $to = readlink $fd;
            return $pid if defined $to && $to =~ /^socket:\[(\d+)\]$/
                           && $inode{$1};
        }
    }
    return;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: one check per interval, which costs no limit and leaves no record
--- top
ai_usage redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/0 stream=ai:usage;
ai_class default { expose trail; max_wait off; retry_same off; }
--- directive
ai_health_check interval=1s timeout=500ms;
ai_limit requests=1r/d tokens=2000t/d concurrent=1;
--- check
sleep 6;
# an interval is 0.9 to 1 s, a busy machine may be late
between(checks('a'), 5, 8, 'checks in 6 s');
is(checks('b'), 0, 'none without the directive');

my $last = seen('a');
is("$last->{method} $last->{uri}", 'GET /v1/models', 'request');
my %h = %{ $last->{h} };
is($h{host}, 'a.test', 'Host');
is($h{authorization}, 'Bearer key-a', 'credential');
is($h{'user-agent'}, 'nginx-ai-route', 'User-Agent');
is($h{connection}, 'close', 'Connection');
is($last->{body_bytes}, 0, 'no body');

is(ask(), '200 a=200/ok', 'the one request that the limit allows');
is(ask(), '200 b=200/ok', 'the limit is reached by it');

my @r = usage_entries('ai:usage', 2);
is(scalar @r, 2, 'records of the clients only');
is(scalar log_lines('check (?:failed|succeeds)'), 0, 'nothing is logged');



=== TEST 2: reloads
--- directive
ai_health_check interval=1s timeout=500ms;
--- check
my $start = time();
for (1 .. 3) {
    sleep 1.1;
    cmp_ok(reload(), '<', 8, 'the old workers go');
}
sleep 1;
my $time = time() - $start;
# the first may have been long ago when this begins, and one that a reload ends
# is made again
between(checks('a'), 2, int($time / 0.9) + 2 + 3,
        sprintf 'checks in %.1f s', $time);
is(scalar log_lines('check (?:failed|succeeds)'), 0, 'nothing is logged');



=== TEST 3: a worker that exits does not wait for a check
--- directive
ai_health_check interval=20s timeout=15s;
--- faults
a hang
--- check
ok(wait_for(3, sub { checker('a') }), 'one worker has it') or return;
my $n = checks('a');
cmp_ok(reload(), '<', 3, 'the old workers go');
# it was ended without an outcome, so the next one is due at once
ok(wait_for(3, sub { checks('a') == $n + 1 }), 'a new worker does it again')
    or diag(checks('a'));
sleep 1.5;
is(checks('a'), $n + 1, 'one of them');



=== TEST 4: a dead account, without a client
--- directive
ai_health_check interval=1s timeout=500ms;
--- check
provider_stop('a');
logged('"a": check failed: connect, Connection refused');
logged('"a": breaker of its connections opened');
is(ask(), '200 b=200/ok', 'no client tries it');
is(scalar log_lines('\[warn\].*check failed'), 1, 'said once');

provider_start('a');
logged('"a": breaker of its connections recovered');
logged('\[notice\].*"a": check succeeds again');
is(ask(), '200 a=200/ok', 'back, without a client');
is(asked('a'), 1, 'whose request was the first');



=== TEST 5: a refused credential, mended
--- directive
ai_health_check interval=1s timeout=500ms;
--- check
provider_fault('a', 'status=401 retry_after=2');
logged('\[error\].*"a": check failed: auth, status 401');
is(ask(), '200 b=200/ok', 'closed');
is(asked('a'), 0, 'no client has tried it');

provider_fault('a', '');
logged('"a": check succeeds again', 6);
is(ask(), '200 a=200/ok', 'open again');



=== TEST 6: spent quota is none of its business
--- directive
ai_health_check interval=1s timeout=500ms;
--- check
provider_fault('a', 'times=1 status=429 code=insufficient_quota retry_after=2');
my $n = checks('a');
my $trail;
# a check may have taken the fault: it closes the account as well
wait_for(3, sub {
    $trail = ask();
    return $trail =~ /quota/ || log_lines('quota_exhausted');
});
like($trail . join('', log_lines('quota_exhausted')), qr/quota_exhausted/,
     'closed');
$n = checks('a');
sleep 4;
is(checks('a'), $n, 'no check opens it');
is(ask(), '200 a=200/ok', 'a client does');



=== TEST 7: a killed worker
--- directive
ai_health_check interval=30s timeout=25s;
--- faults
a hang
--- check
ok(wait_for(3, sub { checker('a') }), 'one worker has it') or return;
my $n = checks('a');
my $pid = checker('a');
kill 'KILL', $pid;
ok(wait_for(3, sub { checks('a') == $n + 1 }), 'another does it again')
    or diag(checks('a'));
isnt(checker('a'), $pid, 'another');
sleep 1.5;
is(checks('a'), $n + 1, 'one of them');
--- log_ok chomp
\[alert\] .* exited on signal 9



=== TEST 8: a server that hangs
--- directive
ai_health_check interval=1s timeout=400ms;
--- check
provider_fault('a', 'hang');
logged('"a": check failed: timeout after (?:4|5)\d\d ms');
logged('"a": breaker of its connections opened');
is(ask(), '200 b=200/ok', 'no client tries it');
provider_fault('a', '');
logged('"a": breaker of its connections recovered', 6);
is(ask(), '200 a=200/ok', 'back');



=== TEST 9: every other way to fail, and what tells nothing
--- accounts
ai_breaker failures=5 rate=100 open=20s max_open=20s;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a/v1;
    ai_health_check interval=1s timeout=900ms; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=compatible base=http://b/v1;
    ai_health_check interval=1s timeout=900ms; }
ai_route m { target a; }
ai_route n { target b; }
--- check
provider_fault('a', "times=1 reset\ntimes=1 close\ntimes=1 garbage\n"
    . "times=1 status=500 chunked bytewise\ntimes=1 status=503 cut=0");
provider_fault('b', "times=1 status=429\ntimes=1 status=404 dialect=html\n"
    . "times=1 status=403\ntimes=1 status=204\ntimes=1 status=400");
logged('"a": breaker of its connections opened', 9);
my @a = map { /check failed: (\w+)/ } log_lines('"a": check failed');
is("@a", 'reset reset server_error server_error overloaded', 'its outcomes');
logged('"b": check succeeds again', 9);
my @b = map { /check failed: (.*) after/ } log_lines('"b": check failed');
is(scalar @b, 5, 'five answers that are not expected') or diag("@b");
like($b[0], qr/^rate_limit, status 429$/, 'a rate limit');
like($b[1], qr/status 404, tells nothing .*change "uri=" or "expect="/,
     'a wrong address, which says so');
like($b[2], qr/^permission, status 403$/, 'a permission that is not there');
like($b[3], qr/^invalid_request, status 204, tells nothing/, 'another 2xx');
is(ask('n'), '200 b=200/ok', 'which close nothing');



=== TEST 10: TLS, with the name and the trust of the account
--- accounts
ai_breaker failures=2 rate=100 open=20s max_open=20s;
upstream good { server 127.0.0.1:$TEST_NGINX_PROVIDER_T;
    ai_account provider=openai base=https://localhost/v1 key=env:AI_TEST_KEY
               trusted=$TEST_NGINX_CA;
    ai_health_check interval=1s; }
upstream wrong { server 127.0.0.1:$TEST_NGINX_PROVIDER_T;
    ai_account provider=openai base=https://wrong.example/v1
               key=env:AI_TEST_KEY trusted=$TEST_NGINX_CA;
    ai_health_check interval=1s; }
upstream stranger { server 127.0.0.1:$TEST_NGINX_PROVIDER_T;
    ai_account provider=openai base=https://localhost/v1 key=env:AI_TEST_KEY;
    ai_health_check interval=1s; }
upstream lax { server 127.0.0.1:$TEST_NGINX_PROVIDER_U;
    ai_account provider=openai base=https://wrong.example/v2
               key=env:AI_TEST_KEY verify=off;
    ai_health_check interval=1s; }
upstream not_tls { server 127.0.0.1:$TEST_NGINX_SERVER_PORT;
    ai_account provider=openai base=https://localhost/v1 key=env:AI_TEST_KEY
               trusted=$TEST_NGINX_CA;
    ai_health_check interval=1s; }
upstream hung { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=openai base=https://localhost/v1 key=env:AI_TEST_KEY
               trusted=$TEST_NGINX_CA;
    ai_health_check interval=1s timeout=300ms; }
ai_route m { target good; }
ai_route n { target lax; }
--- check
for my $name (qw(wrong stranger not_tls hung)) {
    logged(qq("$name": breaker of its connections opened), 5);
}
logged('"wrong": check failed: connect, certificate does not match the name');
logged('"stranger": check failed: connect, unable to verify');
logged('"not_tls": check failed: connect, TLS handshake failed');
logged('"hung": check failed: connect, Connection timed out');
is(scalar log_lines('"(?:good|lax)": check'), 0, 'the others are well');

for ([t => 'localhost', '/v1/models'], [u => 'wrong.example', '/v2/models']) {
    my ($name, $sni, $uri) = @$_;
    my $last = seen($name);
    ok($last->{tls}, 'over TLS');
    is("$last->{tls_sni} $last->{uri}", "$sni $uri", 'name and path');
}
is(ask('m'), '200 good=200/ok', 'served');



=== TEST 11: only when nobody asks, or always
--- accounts
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a/v1;
    ai_health_check interval=1s; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=compatible base=http://b/v1;
    ai_health_check interval=1s idle=off; }
ai_route m { target a; }
ai_route n { target b; }
--- check
ask('m');
my ($a, $b) = (checks('a'), checks('b'));
my ($start, $last, $gap) = (time(), time(), 0);
while (time() < $start + 4) {
    ask('m');
    $gap = time() - $last if time() - $last > $gap;
    $last = time();
    ask('n');
    sleep 0.1;
}
my ($n, $time) = (checks('a') - $a, time() - $start);
SKIP: {
    skip('the machine is too busy to ask every second', 1) if $gap > 0.7;
    is($n, 0, 'a has clients');
}
between(checks('b') - $b, 1, int($time / 0.9) + 1, 'so has b');
ok(wait_for(9, sub { checks('a') - $a > $n }), 'a has none any more');



=== TEST 12: all of the block's servers, one after another
--- accounts
ai_breaker failures=1 rate=100 open=20s max_open=20s;
upstream a {
    server 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    server 127.0.0.1:$TEST_NGINX_PROVIDER_T down;
    server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=compatible base=http://a/v1;
    ai_health_check interval=1s;
}
upstream c {
    zone c 64k;
    server 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    server 127.0.0.1:$TEST_NGINX_PROVIDER_C backup;
    ai_account provider=compatible base=http://c/v1;
    ai_health_check interval=1s;
}
upstream down {
    server 127.0.0.1:$TEST_NGINX_PROVIDER_T down;
    ai_account provider=compatible base=http://c/v1;
    ai_health_check interval=1s;
}
ai_route m { target a; }
--- check
ok(wait_for(25, sub { checks('a') >= 2 && checks('b') && checks('c') >= 2 }),
   'each has its turn')
    or diag(join ' ', map { checks($_) } qw(a b c));
is(scalar log_lines('"[ac]": check failed'), 0, 'a live one is enough');
logged('"down": breaker of its connections opened');



=== TEST 13: address, method and status of one's own
--- accounts
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=anthropic base=http://a/base/v1 key=env:AI_TEST_KEY;
    ai_health_check interval=1s uri=/health?deep=1 method=HEAD
                    expect=204,404; }
ai_route m { target a; }
--- check
ok(wait_for(4, sub { stats('a')->{requests} >= 2 }), 'asked');
my $last = seen('a');
is("$last->{method} $last->{uri}", 'HEAD /base/v1/health?deep=1', 'request');
my %h = %{ $last->{h} };
is($h{'x-api-key'}, 'key-a', 'the way of the provider');
is($h{'anthropic-version'}, '2023-06-01', 'with all that it wants');
is(scalar log_lines('check failed'), 0, 'the status is expected');



=== TEST 14: the operator's word
--- directive
ai_health_check interval=1s timeout=500ms;
--- check
ok(wait_for(4, sub { checks('a') >= 1 }), 'asked');
command('a', 'drain');
sleep 0.3;
my $n = checks('a');
sleep 3;
is(checks('a'), $n, 'not while it is drained');
command('a', 'enable');
ok(wait_for(4, sub { checks('a') > $n }), 'asked again');



=== TEST 15: a worker whose time to exit is over
--- main
worker_shutdown_timeout 500ms;
--- directive
ai_health_check interval=20s timeout=15s;
ai_breaker failures=1;
--- faults
a hang
b stall=2
--- check
ok(wait_for(3, sub { checker('a') }), 'one worker has it') or return;
my $n = checks('a');

# a stream that keeps the worker; which one takes it is chance
my @s = map {
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => server_port());
    my $body = '{"model":"n","stream":true,"messages":[]}';
    print $s "POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\n",
             "Content-Type: application/json\r\nContent-Length: ",
             length $body, "\r\n\r\n$body";
    $s;
} 1 .. 12;
ok(wait_for(3, sub { asked('b') == 12 }), 'streams');
my $took = reload();
between($took, 0.4, 3, 'the old workers go, but not at once');
ok(wait_for(3, sub { checks('a') == $n + 1 }), 'a new worker does it again');
is(scalar log_lines('"a": (?:check failed|breaker)|cannot be checked'), 0,
   'it was no failure');
