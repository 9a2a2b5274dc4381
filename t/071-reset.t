# Copyright (C) nginx-ai-route contributors

# What closes an account or lets it cool down, for all workers, and what opens
# it again: the operator's reset, a changed credential, the end of a hint.

use lib 't/lib';
use AIRoute providers => [qw(a b)], key => [qw(good)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIWorkers;

use Time::HiRes qw(time sleep);

my $tmp = tmp_dir();

workers(2);
$ENV{AI_TEST_KEY} = 'good';

my $http = <<'END';
ai_usage off;

ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    $TEST_NGINX_NO_KEEPALIVE
    ai_account provider=compatible base=http://a.test/v1
               key=file:$TEST_NGINX_TMP/key; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    $TEST_NGINX_NO_KEEPALIVE
    ai_account provider=compatible base=http://b.test/v1
               key=env:AI_TEST_KEY; }

ai_class default { expose trail; max_wait off; retry_same off; }
ai_route m     { target a; target b tier=2; }
ai_route other { target a; target b tier=2; }
ai_route alone { target a; }
END

sub credential {
    open my $fh, '>', "$tmp/key" or die "$tmp/key: $!\n";
    print $fh $_[0];
    close $fh;
}

credential('good');

check_blocks(http => $http, reset => [qw(a b)],
             perl => sub { eval shift });

# many at once, so that both workers have some: the different trails
sub trails {
    my %seen;

    $seen{"$_->{status} " . trail($_)}++
        for ask_all(map { [@_] } 1 .. 16);
    return join ' | ', sort keys %seen;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: what closes an account, and the operator's reset
--- check
for (['401', 'auth'], ['status=401 code=account_deactivated',
                       'account_disabled'],
     ['402', 'quota_exhausted'],
     ['status=429 code=insufficient_quota', 'quota_exhausted'],
     ['status=400 code=billing_hard_limit_reached', 'quota_exhausted'],
     ['error_first status=429 code=insufficient_quota', 'quota_exhausted'])
{
    my ($sim, $verdict) = @$_;
    provider_reset(qw(a b));
    provider_fault('a', "times=1 $sim\nok");

    like(trail(ask()), qr{^a=\d+/$verdict,b=200/ok$}, "$sim: closes");
    is(trails(), '200 b=200/ok', "$sim: not used by any worker");
    is(trails(model => 'other'), '200 b=200/ok',
       "$sim: not for another model either");
    is(requests('a'), 1, "$sim: one request was the last");

    my $r = ask(model => 'alone');
    is("$r->{status} " . error_code($r), '503 no_target', "$sim: alone");
    is($r->{h}{'x-ai-attempts'}, undef, "$sim: alone: nobody is asked");
    cmp_ok($r->{h}{'retry-after'}, '>=', 50, "$sim: alone: Retry-After");

    operator_reset('b');
    is(trails(), '200 b=200/ok', "$sim: another account's reset");
    operator_reset('a');
    is(trails(), '200 a=200/ok', "$sim: after the reset");
    is(ask(model => 'alone')->{status}, 200, "$sim: alone after the reset");
}
like(slurp("$tmp/servroot/logs/error.log"),
     qr/\[error\] .*ai account "a" failed: auth/, 'somebody must see it');
unlike(slurp("$tmp/servroot/logs/error.log"), qr/Bearer|good/,
       'no credential in the log');



=== TEST 2: what does not close it
--- check
for my $sim ('500', '503', 'reset', 'empty', '413', 'error_first') {
    provider_reset(qw(a b));
    provider_fault('a', "times=3 $sim\nok");
    like(trail(ask()), qr{^a=\d+/\w+,b=200/ok$}, "$sim: fails") for 1 .. 3;
    is(trails(), '200 a=200/ok', "$sim: used again");
}
for my $sim ('400', '422', '409') {
    provider_fault('a', "times=1 $sim\nok");
    is(ask()->{status}, $sim, "$sim: passes");
    is(trails(), '200 a=200/ok', "$sim: used again");
}

# one model, or the whole account
for (['404', 'a'], ['403', 'a'], ['status=429 retry_after=60', 'a'],
     ['status=429 code=slow_down', 'b'])
{
    my ($sim, $other) = @$_;
    provider_fault('a', "times=1 $sim\nok");
    like(trail(ask()), qr/^a=4\d\d/, "$sim: fails");
    is(trails(), '200 b=200/ok', "$sim: not used for this model");
    is(trails(model => 'other'), "200 $other=200/ok", "$sim: another model");
    operator_reset('a');
    is(trails(), '200 a=200/ok', "$sim: after the reset");
}



=== TEST 3: a changed credential opens the account, a reload alone does not
--- check
credential('bad');
ok(reload(gone => 1), 'reloaded');
is(trail(ask()), 'a=401/auth,b=200/ok', 'a wrong credential');
is(trails(), '200 b=200/ok', 'closed');

ok(reload(gone => 1), 'reloaded');
is(trails(), '200 b=200/ok', 'still closed after a reload');
is(requests('a'), 1, 'one request was the last');

credential('good');
ok(reload(gone => 1), 'reloaded');
is(trails(), '200 a=200/ok', 'another credential');

# the old one is known no longer
provider_fault('a', "times=1 429 code=insufficient_quota\nok");
is(trail(ask()), 'a=429/quota_exhausted,b=200/ok', 'spent');
is(trails(), '200 b=200/ok', 'closed again');
operator_reset('a');
is(trails(), '200 a=200/ok', 'and reset');



=== TEST 4: a hint is kept, by all workers, to its end
--- check
for (['status=429 retry_after=2', 2], ['status=429 retry_after_ms=1500', 1.5],
     ['status=503 retry_after=1', 1],
     ['status=429 retry_after=date+2', 1])
{
    my ($sim, $seconds) = @$_;
    provider_reset(qw(a b));
    provider_fault('a', "times=1 $sim\nok");
    my $start = time();
    like(trail(ask()), qr{^a=\d+/\w+,b=200/ok$}, "$sim: fails");
    my $known = time();

    # what was asked before the hint's end is surely answered by b
    my ($n, $back) = (0);
    while (time() < $known + 6) {
        my $sent = time();
        my $way = trails();
        last if $way eq '200 a=200/ok' && ($back = $sent);
        $n++ if $way eq '200 b=200/ok' && time() < $start + $seconds;
        sleep 0.05;
    }
    cmp_ok($n, '>=', 2, "$sim: not used meanwhile");
    ok($back && $back - $start >= $seconds - 0.15
       && $back - $start <= $seconds + 1.6, "$sim: then it is used")
        or diag($back ? $back - $start : 'never');
}

# a reset ends it at once
provider_fault('a', "times=1 status=429 retry_after=60\nok");
ask();
is(trails(), '200 b=200/ok', 'cools down');
my $r = ask(model => 'alone');
operator_reset('a');
is(trails(), '200 a=200/ok', 'reset');



=== TEST 5: cooldowns and closures outlive a reload
--- check
provider_fault('a', "times=1 status=429 retry_after=60\nok");
ask();
ok(reload(gone => 1), 'reloaded');
is(trails(), '200 b=200/ok', 'a cooldown');
operator_reset('a');

provider_fault('a', "times=1 402\nok");
ask();
ok(reload(gone => 1), 'reloaded');
is(trails(), '200 b=200/ok', 'a closure');
operator_reset('a');
is(trails(), '200 a=200/ok', 'reset');



=== TEST 6: without a hint it is five seconds
--- check
provider_fault('a', "status=429 dialect=mistral");
is(ask(model => 'alone')->{status}, 429, 'limited');
my $r = ask(model => 'alone');
is("$r->{status} " . trail($r), '429 -', 'cools down');
like($r->{h}{'retry-after'}, qr/^[56]$/, 'for five seconds');
