# Copyright (C) nginx-ai-route contributors

# t/tools/drill against a gateway that runs: what it says of a drill that
# passes, fails or says nothing, and that it never leaves a fault behind.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIWorkers;

use HTTP::Tiny ();
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(time sleep);

workers(2);

my $tmp = tmp_dir();
my $json = JSON::PP->new->utf8;

my $http = <<'END';
ai_usage off;
ai_class default { expose trail; max_wait off; retry_same off; }
END

my $accounts = <<'END';
ai_price * input=1 output=10;
ai_breaker failures=2 rate=100 open=1s max_open=1s ramp=off;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=openai base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=openai base=http://b/v1; }
ai_route m { target a; target b tier=2; }
ai_route alone { target a; }
ai_route spare { target b; }
END

check_blocks(http => $http, accounts => $accounts, reset => [qw(a b)],
             perl => sub { eval shift });

sub base { return 'http://127.0.0.1:' . Test::Nginx::Util::server_port() }

# begins it; its words go to a file
sub drill {
    my ($name, @o) = @_;
    my $env = ref $o[0] ? shift @o : { DRILL_BEARER => 's3cr3t' };
    my $pid = fork;

    die "fork: $!\n" unless defined $pid;
    if ($pid == 0) {
        delete @ENV{grep { /^DRILL_/ } keys %ENV};
        $ENV{$_} = $env->{$_} for keys %$env;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', "$tmp/$name.out";
        open STDERR, '>&', \*STDOUT;
        no warnings 'exec';
        exec 't/tools/drill', '--report', "$tmp/$name", @o;
        POSIX::_exit(127);
    }
    return $pid;
}

# how it ended, or "late"
sub ended {
    my ($pid, $seconds) = @_;
    my $status;

    wait_for($seconds || 40, sub {
        waitpid($pid, POSIX::WNOHANG()) == $pid and $status = $?, 1;
    });
    if (!defined $status) {
        kill 'KILL', $pid;
        waitpid $pid, 0;
        return 'late';
    }
    return $status >> 8;
}

sub said { return slurp("$tmp/$_[0].out") }

sub report { return $json->decode(slurp("$tmp/$_[0].json")) }

sub target { return ('--url', base() . '/ai/', '--account', $_[0]) }

sub own {
    return ('--base', base() . '/v1', '--ask-model', $_[0], '--rate', 20,
            '--before', '1s');
}

sub active {
    my $answer = HTTP::Tiny->new->get(base() . '/ai/faults');

    return scalar grep { $_->{active} }
                       @{ $json->decode($answer->{content})->{faults} };
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: it passes
--- check
is(ended(drill('pass', target('a'), own('m'), '--ttl', '3s', '--back', 10)),
   0, 'exit code') or diag(said('pass'));
my $r = report('pass');
is($r->{verdict}, 'pass', 'verdict');
is(join(',', @{ $r->{expected}{order} }), 'a,b', 'expected path');
is(join(',', @{ $r->{without} }), 'b', 'without the account');
is("$r->{asked}{fault} $r->{asked}{ttl} $r->{fault}{status}",
   'status 3s 503', 'what was asked for');
cmp_ok($r->{fault}{hit}, '>', 0, 'met');
is($r->{saved}, $r->{fault}{hit}, 'all are saved');
is($r->{lost}, 0, 'none is lost');
between($r->{detection_ms}, 0, 3000, 'detected');
between($r->{return_ms}, 0, 10000, 'back');
cmp_ok($r->{moved_nanousd}, '>', 0, 'cost moved');
ok(defined $r->{added_ms_each}, 'added latency');
ok(!active(), 'no fault is left');
my $t = $r->{traffic};
cmp_ok($t->{before}{requests}, '>', 0, 'own traffic: before');
is(join(',', keys %{ $t->{before}{accounts} }), 'a', 'from a');
cmp_ok($t->{during}{accounts}{b}, '>', 0, 'then from b');
cmp_ok($t->{after}{accounts}{a}, '>', 0, 'and from a again');
is($t->{during}{ok}, $t->{during}{requests}, 'nobody noticed');
my @what = map { $_->{what} } @{ $r->{fault}{timeline} };
like("@what", qr/^fault_started .*opened.* fault_ended .*recovered/,
     'timeline');

my $md = slurp("$tmp/pass.md");
like($md, qr/^# Drill \w+: pass$/m, 'Markdown: verdict');
like($md, qr/before the fault: a → b\.$/m, 'Markdown: expected path');
like($md, qr/^\| lost \| 0 \|$/m, 'Markdown: lost');
like($md, qr/^\| [\d.]+ \| opened \| m \| chat/m, 'Markdown: timeline');
like($md, qr/^\| during \| \d+ \| \d+ \| .*b \d+/m, 'Markdown: own traffic');
like(said('pass'), qr/^ +\d\.\d s  \d+ requests, \d+ hit, /m, 'progress');
like(said('pass'), qr/^pass: /m, 'verdict, said');



=== TEST 2: it fails, nobody else has the model
--- check
is(ended(drill('fail', target('a'), own('alone'), '--ttl', '2s',
               '--back', 10)), 1, 'exit code') or diag(said('fail'));
my $r = report('fail');
is($r->{verdict}, 'fail', 'verdict');
cmp_ok($r->{lost}, '>', 0, 'lost');
like($r->{reasons}[0], qr/^\d+ requests were lost, at most 0 may be$/, 'why');
is_deeply($r->{without}, [], 'as expected');
like(slurp("$tmp/fail.md"), qr/^Without a: nobody, requests are lost\.$/m,
     'in words');
ok(!active(), 'no fault is left');

# without a name it is the one that serves
my (undef, $url) = target('a');
is(ended(drill('some', '--url', $url, own('alone'), '--ttl', '2s',
               '--back', 10, '--max-lost', 1000)), 0, 'if so many may be')
    or diag(said('some'));
is(report('some')->{fault}{account}, 'a', 'the account is found');



=== TEST 3: it fails, nothing was detected
--- accounts
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=openai base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=openai base=http://b/v1; }
ai_route m { target a; target b tier=2; }
--- check
my @o = (target('a'), own('m'), '--status', 500, '--ttl', '2s', '--back', 10);
is(ended(drill('unseen', @o)), 1, 'exit code') or diag(said('unseen'));
like(report('unseen')->{reasons}[0], qr/the fault was not detected$/, 'why');
is(report('unseen')->{lost}, 0, 'though none is lost');
is(ended(drill('seen', @o, '--undetected-ok')), 0, 'if that is no failure')
    or diag(said('seen'));



=== TEST 4: it fails, the account does not come back
--- check
my $pid = drill('gone', target('a'), own('m'), '--ttl', '2s', '--back', 2);
ok(wait_for(30, sub { active() }), 'it runs');
operate('a', 'disable');
ask(model => 'm');
my $code = ended($pid);
operate('a', 'enable');
# it may be that nobody had met the fault
like($code, qr/^[13]$/, 'exit code');
like(join(' ', @{ report('gone')->{reasons} }),
     qr/a did not serve within 2 s after the fault|a was not asked/, 'why');



=== TEST 5: it says nothing
--- check
is(ended(drill('idle', target('a'), '--ttl', '1s')), 3, 'no traffic');
is(report('idle')->{verdict}, 'inconclusive', 'verdict');
is(report('idle')->{reasons}[0], 'no request was in the scope of the fault '
   . "(BASE= sends some of the drill's own)", 'why');
is(report('idle')->{traffic}, undef, 'no traffic of its own');

is(ended(drill('second', target('b'), own('m'), '--ttl', '2s')), 3,
   'the account is not asked');
like(report('second')->{reasons}[0], qr/^b was not asked: \d+ requests/,
     'why');

is(ended(drill('scope', target('a'), own('m'), '--model', 'other*',
               '--ttl', '1s')), 3, 'out of scope');
is(report('scope')->{asked}{model}, 'other*', 'the scope');



=== TEST 6: interrupted
--- check
for my $signal (qw(INT TERM)) {
    my $pid = drill("int-$signal", target('a'), own('m'), '--ttl', '60s');
    ok(wait_for(30, sub { active() }), "$signal: it runs");
    sleep 1.2;
    kill $signal, $pid;
    is(ended($pid, 15), 3, "$signal: exit code");
    ok(!active(), "$signal: the fault is gone");
    my $r = report("int-$signal");
    is("$r->{verdict}: $r->{reasons}[0]",
       'inconclusive: the drill was interrupted', "$signal: verdict");
    is($r->{fault}{ended_by}, 'operator', "$signal: ended");
    ok(-s "$tmp/int-$signal.md", "$signal: in Markdown, too");
    accounts_open('a');
}



=== TEST 7: the gateway goes
--- check
my $pid = drill('lost', target('a'), own('m'), '--ttl', '60s');
ok(wait_for(30, sub { active() }), 'it runs');
sleep 1.2;
nginx_stop();
is(ended($pid, 20), 3, 'exit code');
like(report('lost')->{reasons}[0], qr/^the drill broke off: /, 'why');
like(said('lost'), qr/could not be ended .*ends by itself after 60s/,
     'said');
nginx_start();



=== TEST 8: it cannot begin
--- check
for ([{}, [target('a')], qr/set DRILL_BEARER/],
     [{ DRILL_BEARER => 'wr0ng' }, [target('a')], qr/401/],
     [undef, [target('nobody')], qr/404/],
     [undef, [target('a'), '--class', 'nosuch'], qr/404/],
     [undef, ['--url', base() . '/v1/', '--account', 'a'], qr/refuses/],
     [undef, ['--url', "http://127.0.0.1:$ENV{TEST_NGINX_DEAD_PORT}/",
              '--account', 'a'], qr/refused/],
     [undef, ['--account', 'a'], qr/--url is missing/],
     [undef, ['--url', base()], qr/--account is missing/],
     [undef, ['--url', 'ftp://x/', '--account', 'a'], qr/no http or https/],
     [undef, [target('a'), '--fault', 'flood'], qr/invalid choice/],
     [undef, [target('a'), '--percent', 0], qr/1 to 100/],
     [undef, [target('a'), '--status', 200], qr/400 to 599/],
     [undef, [target('a'), '--ttl', '5'], qr/not a time/],
     [undef, [target('a'), '--base', base()], qr/--ask-model/],
     [undef, [target('a'), '--rate', 0], qr/--rate/],
     [undef, [target('a'), own('nosuch')],
      qr/own \d+ requests for "nosuch" was served .*, the last one got 404: /])
{
    my ($env, $o, $re) = @$_;
    is(ended(drill('usage', $env || { DRILL_BEARER => 's3cr3t' }, @$o), 10),
       2, "@$o[-2 .. -1]: exit code");
    like(said('usage'), $re, 'why');
    unlike(said('usage'), qr/s3cr3t|wr0ng|Traceback/, 'and nothing else');
}
ok(!-e "$tmp/usage.json", 'no report');
ok(!active(), 'no fault');

my $help = `t/tools/drill --help`;
is($?, 0, 'help');
like($help, qr/DRILL_BEARER/, 'names the variable');
