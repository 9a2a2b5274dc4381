# Copyright (C) nginx-ai-route contributors

# Requests that wait for an account to come back: until when, in which order,
# how many, and what becomes of those who leave; with two workers, over
# HTTP/1.1 and HTTP/2.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AILog;
use AIServer;
use AIWorkers;

use IO::Socket::INET ();
use Time::HiRes qw(time sleep);

my $tmp = tmp_dir();

workers(2);

$ENV{TEST_NGINX_OWN} = free_port();
$ENV{TEST_NGINX_H2} = free_port();

my $http = ai_log() . <<'END';
ai_usage off;

ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 4;
    ai_account provider=compatible base=http://a.test/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 4;
    ai_account provider=compatible base=http://b.test/v1; }
upstream own { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=compatible base=http://own/v1; }

ai_class default { expose trail; max_wait off; retry_same off; attempts 8; }
ai_class q    { expose trail; max_wait off; retry_same off; attempts 8;
                queue 10s; }
ai_class low  { expose trail; max_wait off; queue 10s; priority 1; }
ai_class high { expose trail; max_wait off; queue 10s; priority 9; }

ai_route m     { target a; }
ai_route two   { target a model=m; target b; }
ai_route other { target b; }
ai_route own   { target own; }

server {
    listen 127.0.0.1:$TEST_NGINX_H2 http2;
    location /v1/ { ai_pass; }
}
END

check_blocks(http => $http, reset => [qw(a b)],
             perl => sub { eval shift });

# makes an account cool down
sub cool {
    my ($seconds, $name, $model) = @_;

    provider_fault($name || 'a', "times=1 status=429 retry_after=$seconds\nok");
    is(ask(model => $model || 'm')->{status}, 429, 'cools down');
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: until the cooldown ends
--- check
provider_fault('a', "times=1 status=429 retry_after_ms=1200\nok");
my @q = (open_request(class => 'q'));
sleep 0.2;
push @q, open_request(class => 'q', stream => 1), open_request(class => 'q');
my @h = map { open_request(version => 2, class => 'q') } 1, 2;
sleep 0.1;
is(requests('a'), 1, 'nobody else is asked meanwhile');

my ($first, @r) = answers(@q);
is("$first->{status} " . trail($first), '200 a=429/rate_limit,a=200/ok',
   'the one that found out');
within($first, 1.2, 4, 'the one that found out');
# a busy machine asks later than it was told to
my $until = sub {
    between($_->{start} + $_->{took} - $first->{start}, 1.18, 5, $_[0]);
};
is($first->{h}{'x-ai-fallback'}, 'retry', 'fallback');
for (@r) {
    is("$_->{status} " . trail($_), '200 a=200/ok', 'later ones');
    $until->('later ones');
    ok($_->{complete}, 'later ones: complete');
    my $l = logged($_);
    is("$l->{outcome} $l->{attempts} $l->{fallback}", 'ok 1 none',
       'later ones: log');
    between($l->{queue}, 100, 4000, 'later ones: time in the queue');
}
for (answers(@h)) {
    is($_->{status}, 200, 'HTTP/2');
    # of curl, which begins some time after it was asked to
    within($_, 0.3, 5, 'HTTP/2');
    is(logged($_)->{outcome}, 'ok', 'HTTP/2: log');
}
is(requests('a'), 6, 'each was sent once');



=== TEST 2: without a queue nobody waits, and nobody waits without need
--- check
cool(5);
my $r = ask();
is("$r->{status} " . error_code($r), '429 rate_limit_exceeded', 'no queue');
is($r->{h}{'x-ai-attempts'}, undef, 'no queue: nobody was asked');
like($r->{h}{'retry-after'}, qr/^[456]$/, 'no queue: Retry-After');
is($r->{h}{'x-should-retry'}, 'true', 'no queue: x-should-retry');
within($r, 0, 0.9, 'no queue');

$r = ask(class => 'q', model => 'two');
is("$r->{status} " . trail($r), '200 b=200/ok', 'another account');
within($r, 0, 0.9, 'another account');

# an error that a queue does not mend
provider_fault('b', '500');
$r = ask(class => 'q', model => 'other');
is($r->{status}, 502, 'a server error is not queued');
within($r, 0, 0.9, 'a server error is not queued');



=== TEST 3: by priority, then by age
--- check
# one after the other, so that the order is that of the connections
own_server('OWN', sub {
    my ($c, $q) = @_;
    my ($name) = $q =~ /"name":"(\w+)"/;
    my $body = '{"choices":[{"message":{"content":"x"}}]}';

    open my $fh, '>>', "$tmp/order" or die "order: $!\n";
    syswrite $fh, "$name\n";
    syswrite $c, ($name eq 'cool'
                  ? "HTTP/1.1 429 X\r\nretry-after-ms: 1500\r\n"
                  : "HTTP/1.1 200 OK\r\n")
        . "Content-Type: application/json\r\nConnection: close\r\n"
        . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
}, serial => 1);

is(ask(model => 'own', more => '"name":"cool",')->{status}, 429, 'cools');
my @q;
for (['low', 'low1'], ['low', 'low2'], ['q', 'mid1'], ['high', 'high1'],
     ['low', 'low3'], ['high', 'high2'], ['q', 'mid2'])
{
    push @q, open_request(model => 'own', class => $$_[0],
                          more => qq("name":"$$_[1]",));
    sleep 0.06;
}
my @r = answers(@q);
is(join(' ', map { $_->{status} } @r), join(' ', (200) x 7), 'all served');
is(join(' ', split /\n/, slurp("$tmp/order")),
   'cool high1 high2 mid1 mid2 low1 low2 low3', 'order');
within($_, 0.9, 3, 'in time') for @r;



=== TEST 4: clients that leave
--- routes
ai_class one { expose trail; max_wait off; retry_same off; queue 10s max=1; }
--- check
cool(20);
my $n = requests('a');

my $q = open_request(class => 'one');
sleep 0.3;
is(error_code(ask(class => 'one')), 'queue_full', 'the only place is taken');
close $q->{socket};
my $l = logged($q);
is("$l->{status} $l->{outcome} $l->{attempts}", '499 client_gone 0',
   'HTTP/1.1: log');
is($l->{class}, 'client_closed', 'HTTP/1.1: class');

# the place is free again, for one
my $h = open_request(version => 2, class => 'one', max => 3);
sleep 1;
is(error_code(ask(class => 'one')), 'queue_full', 'taken again');
answer($h);
$l = logged($h);
is("$l->{status} $l->{outcome} $l->{attempts}", '499 client_gone 0',
   'HTTP/2: log');

# after an attempt
provider_fault('b', 'status=429 retry_after=20');
$q = open_request(class => 'q', model => 'other');
sleep 0.3;
close $q->{socket};
$l = logged($q);
is("$l->{status} $l->{outcome} $l->{attempts}", '499 client_gone 1',
   'after an attempt: log');

operator_reset('a');
is(ask(class => 'one')->{status}, 200, 'the gateway is well');
is(requests('a'), $n + 1, 'who left was not sent');



=== TEST 5: a full queue answers at once
--- routes
ai_class small { expose trail; max_wait off; retry_same off;
                 queue 2s max=3; }
--- check
cool(20);
my @q = map { open_request(class => 'small') } 1 .. 3;
sleep 0.25;
my @full = ask_all(map { [class => 'small'] } 1 .. 4);
for (@full) {
    is("$_->{status} " . error_code($_), '503 queue_full', 'full');
    within($_, 0, 0.5, 'full');
    like($_->{h}{'retry-after'}, qr/^\d+$/, 'full: Retry-After');
    is($_->{h}{'x-should-retry'}, 'true', 'full: x-should-retry');
    is($_->{h}{'x-ai-attempts'}, undef, 'full: nothing was tried');
    is(logged($_)->{outcome}, 'error', 'full: log');
}
my $h = ask(version => 2, class => 'small');
is("$h->{status} " . error_code($h), '503 queue_full', 'full, HTTP/2');

# another class has places of its own
my $q = open_request(class => 'q');
sleep 0.2;
operator_reset('a');
is(join(' ', map { $_->{status} } answers(@q, $q)), '200 200 200 200',
   'those in it are served, the other class too');
my @again = ask_all(map { [class => 'small'] } 1 .. 8);
is(join(' ', map { $_->{status} } @again), join(' ', (200) x 8), 'empty again');



=== TEST 6: the time in it is bounded
--- routes
ai_class brief { expose trail; max_wait off; retry_same off; queue 600ms; }
ai_class late  { expose trail; max_wait off; retry_same off; queue 10s;
                 deadline 900ms; }
--- check
cool(30);
my @q = (open_request(class => 'brief'), open_request(class => 'late'));
my @h = map { open_request(version => 2, class => $_) } 'brief', 'late';
my ($brief, $late) = answers(@q);

is("$brief->{status} " . error_code($brief), '429 rate_limit_exceeded',
   'queue');
within($brief, 0.6, 1.4, 'queue');
like($brief->{h}{'retry-after'}, qr/^(?:2[89]|3[01])$/, 'queue: Retry-After');
is(logged($brief)->{outcome}, 'error', 'queue: log');
is("$late->{status} " . error_code($late), '504 deadline_exceeded',
   'deadline');
within($late, 0.9, 1.7, 'deadline');
answers(@h);
is("$h[0]{status} $h[1]{status}", '429 504', 'HTTP/2');

# one that was tried first: its own failure is told
operator_reset('a');
provider_fault('a', 'status=429 retry_after=30');
my $r = ask(class => 'brief');
is("$r->{status} " . trail($r), '429 a=429/rate_limit', 'tried first');
within($r, 0.6, 1.4, 'tried first');



=== TEST 7: many at once, in both workers, are all served once
--- check
cool(1);
my @q = map { open_request(class => qw(q low high)[$_ % 3],
                           stream => $_ % 2) } 1 .. 24;
my @h = map { open_request(version => 2, class => qw(q low high)[$_ % 3]) }
            1 .. 6;
my @r = answers(@q);
is(scalar(grep { $_->{status} == 200 && $_->{complete}
                 && trail($_) eq 'a=200/ok' } @r), 24, 'HTTP/1.1');
is(scalar(grep { $_->{status} == 200 } answers(@h)), 6, 'HTTP/2');
is(requests('a'), 31, 'each once');
my @took = sort { $a <=> $b } map { $_->{took} } @r;
cmp_ok($took[-1], '<', 4, 'soon');



=== TEST 8: a worker that dies gives its places back
--- routes
ai_class small { expose trail; max_wait off; retry_same off;
                 queue 10s max=4; }
--- log_ok chomp
exited on signal 9
--- check
cool(30);
my @q = map { open_request(class => 'small') } 1 .. 4;
sleep 0.3;
is(error_code(ask(class => 'small')), 'queue_full', 'full');

kill_workers();
close $_->{socket} for @q;

@q = map { open_request(class => 'small') } 1 .. 4;
sleep 0.4;
is(error_code(ask(class => 'small')), 'queue_full', 'four places, not more');
operator_reset('a');
is(join(' ', map { $_->{status} } answers(@q)), '200 200 200 200', 'served');



=== TEST 9: a worker whose time to exit is over
--- main_config: worker_shutdown_timeout 600ms;
--- check
cool(30);

# places in nginx's table for who comes next, the last one first: what stands
# for a pause is then ended before its client is
my @places = map {
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => server_port());
    print $s "GET /up HTTP/1.1\r\nHost: g\r\n\r\n";
    sysread $s, my $answer, 4096;
    $s;
} 1 .. 24;
close $_ for @places;
sleep 0.2;

my @q = map { open_request(class => 'q') } 1 .. 6;
sleep 0.3;
reload(gone => 1);
is(join(' ', map { $_->{status} } answers(@q)), '0 0 0 0 0 0', 'cut');
for (@q) {
    my $log = logged($_);
    is("$log->{outcome} $log->{addr}", 'client_gone ', 'recorded');
    within({ took => $log->{queue} / 1000 }, 0.6, 1.5, 'all of the wait');
}
