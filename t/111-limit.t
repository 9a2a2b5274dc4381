# Copyright (C) nginx-ai-route contributors

# ai_limit: what an account is held to, ahead of sending, by all workers.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIWorkers;

use Time::HiRes qw(time sleep);

workers(2);

my $http = <<'END';
ai_usage off;
ai_class default { expose trail; max_wait off; retry_same off; }
END

check_blocks(http => $http, reset => [qw(a b)],
             perl => sub { eval shift });

# the provider's own count of requests that it has at once
sub in_flight {
    my $s = stats($_[0]);

    return $s->{requests} - $s->{completed} - $s->{aborted};
}

# and the most of them
sub together {
    my ($name, $seconds) = @_;
    my ($end, $max) = (time() + $seconds, 0);

    while (time() < $end) {
        my $n = in_flight($name);
        $max = $n if $n > $max;
        sleep 0.01;
    }
    return $max;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: requests, many at once
--- accounts
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1;
    ai_limit requests=50r/h; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
ai_route alone { target a; }
--- check
my @r = ask_all(([]) x 300);
is(statuses(@r), '200:300', 'all are served');
is(requests('a'), 50, 'no more than the limit');
is(requests('b'), 250, 'the others go to the next target');
is(scalar(grep { trail($_) !~ /^[ab]=200\/ok$/ } @r), 0,
   'without being tried first');

@r = ask_all(([model => 'alone']) x 20);
is(statuses(@r), '429:20', 'nowhere else to go');
is(error_code($r[0]), 'rate_limit_exceeded', 'code');
# one in 72 s
between($r[0]{h}{'retry-after'} || 0, 40, 73, 'Retry-After');
is($r[0]{h}{'x-ai-attempts'}, undef, 'nothing was tried');
is(requests('a'), 50, 'not asked');



=== TEST 2: requests, refilled
--- accounts
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1;
    ai_limit requests=20r/s; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
--- check
my $start = time();
my @r = load(rate => 150, seconds => 3);
my $took = time() - $start;
is(statuses(@r), '200:450', 'all are served');
# the bucket, then 20 a second
between(requests('a'), 70, 21 + 20 * $took, 'the limit is used and kept');
is(requests('a') + requests('b'), 450, 'each was sent once');

# failures count as well, and no retry goes beyond it
sleep 1;
provider_reset(qw(a b));
provider_fault('a', '500');
@r = ask_all(([]) x 100);
is(statuses(@r), '200:100', 'failing: all are served');
between(requests('a'), 15, 40, 'failing: the limit is kept');



=== TEST 3: tokens
--- accounts
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1;
    ai_limit tokens=10kt/h; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
--- check
# reserved are 400 and the prompt, and they are used
provider_fault('a', 'words=400 prompt=20 delay=300');
my @r = ask_all(([more => '"max_tokens":400,']) x 200);
is(statuses(@r), '200:200', 'all are served');
my $n = requests('a');
between($n, 15, 24, 'reserved before they are sent');
is(way(ask(more => '"max_tokens":9000,')), 'b', 'too large for the rest');



=== TEST 4: tokens that were not used
--- accounts
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1;
    ai_limit tokens=10kt/h; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
--- check
provider_fault('a', 'words=4 prompt=6 delay=300');
my @r = ask_all(([more => '"max_tokens":3000,']) x 30);
is(statuses(@r), '200:30', 'all are served');
is(requests('a'), 3, 'three at once');
provider_fault('a', 'words=4 prompt=6');
@r = map { ask(more => '"max_tokens":3000,', stream => $_ % 2) } 1 .. 20;
is(hits('a', @r), 20, 'one after the other, 10 tokens each');

# failures use nothing
provider_fault('a', 'status=500');
@r = map { ask(more => '"max_tokens":3000,') } 1 .. 20;
is(hits('a', @r), 20, 'failures use nothing');

# more used than reserved: a debt, and nothing goes until it is paid
provider_fault('a', 'words=4 prompt=20000');
is(way(ask(more => '"max_tokens":10,')), 'a', 'used more than reserved');
provider_fault('a', '');
is(way(ask(more => '"max_tokens":10,')), 'b', 'a debt');



=== TEST 5: concurrent
--- accounts
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1;
    ai_limit concurrent=7; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
ai_route alone { target a; }
--- check
provider_fault('a', 'delay=4000');
my @q = map { open_request(stream => $_ % 2) } 1 .. 250;
is(together('a', 2), 7, 'as many as allowed');
my $r = ask(model => 'alone');
is("$r->{status} " . error_code($r), '429 rate_limit_exceeded',
   'nowhere else to go');
between($r->{h}{'retry-after'} || 0, 1, 2, 'Retry-After');
my @r = answers(@q);
is(statuses(@r), '200:250', 'all are served');
is(hits('b', @r), 250 - hits('a', @r), 'by a or b');

# under load that fails and succeeds; then with answers that break
provider_fault('a', join "\n",
               ('times=3 delay=60', 'times=2 status=500 delay=10',
                'times=2 delay=90') x 5, 'delay=60');
my $max = 0;
@r = load(rate => 150, seconds => 2,
          each => sub { (stream => $_[0] % 2) },
          at => [map { [$_ / 20, sub {
              my $n = in_flight('a');
              $max = $n if $n > $max;
          }] } 1 .. 35]);
between($max, 1, 7, 'under load');
is(statuses(@r), '200:300', 'nobody is refused');

provider_fault('a', join "\n", ('times=2 cut=2', 'times=2 close',
                                'times=2 reset', 'times=1 ok') x 3, 'cut=1');
@r = load(rate => 100, seconds => 0.6, each => sub { (stream => 1) });
cmp_ok(scalar(grep { !$_->{complete} || $_->{body} =~ /error/ } @r), '>', 5,
       'answers that break');

provider_reset('a');
provider_fault('a', 'delay=1500');
ask_all(([]) x 20);
is(requests('a'), 7, 'after failures: all slots are there');

# clients that leave
provider_reset('a');
provider_fault('a', 'delay=5000');
@q = map { open_request(stream => $_ % 2) } 1 .. 7;
ok(wait_for(4, sub { requests('a') == 7 }), 'all are taken');
close $_->{socket} for @q;
ok(wait_for(2, sub { stats('a')->{aborted} == 7 }), 'all leave');
provider_reset('a');
provider_fault('a', 'delay=1500');
ask_all(([]) x 20);
is(requests('a'), 7, 'after aborts: all slots are there');

# streams hold theirs to the end
provider_reset('a');
provider_fault('a', 'words=6 gap=600');
@q = map { open_request(stream => 1) } 1 .. 7;
sleep 0.6;
is(way(ask()), 'b', 'a running stream holds its slot');
answers(@q);
is(way(ask()), 'a', 'and gives it back');



=== TEST 6: concurrent, workers killed under load
--- accounts
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1;
    ai_limit concurrent=6; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
--- log_ok chomp
exited on signal 9
--- check
for my $round (1 .. 2) {
    provider_reset('a');
    provider_fault('a', 'delay=3000');
    my @q = map { open_request() } 1 .. 12;
    ok(wait_for(2, sub { requests('a') == 6 }), 'all are taken');
    is(way(ask()), 'b', 'no more');
    if ($round == 1) {
        kill_workers();
    } else {
        # one of two: the other's stay counted
        my ($one) = workers_now();
        kill 'KILL', $one;
        sleep 0.5;
    }
    my $left = in_flight('a');
    close $_->{socket} for grep { $round == 1 } @q;

    my @r = map { open_request() } 1 .. 12;
    sleep 0.4;
    is(in_flight('a'), 6,
       "round $round: all slots are there again, and not more ($left left)");
    close $_->{socket} for @q, @r;
    sleep 0.3;
}
provider_reset('a');
provider_fault('a', 'delay=400');
ask_all(([]) x 20);
is(requests('a'), 6, 'in the end');



=== TEST 7: over a reload
--- accounts
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1;
    ai_limit concurrent=4 requests=30r/h; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
--- check
provider_fault('a', 'delay=2500');
my @q = map { open_request() } 1 .. 3;
ok(wait_for(2, sub { requests('a') == 3 }), 'three run');
reload();
my @r = map { open_request() } 1 .. 5;
sleep 0.4;
is(requests('a'), 4, 'the old workers count');
@r = answers(@q, @r);
is(statuses(@r), '200:8', 'all are served');
provider_fault('a', '');
@r = map { ask() } 1 .. 40;
is(requests('a'), 30, 'the rate goes on');
is(statuses(@r), '200:40', 'all are served');
