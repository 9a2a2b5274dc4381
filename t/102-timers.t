# Copyright (C) nginx-ai-route contributors

# The timers of a class: connect, first_byte, first_token, stall,
# max_duration, deadline, and the window of "hold".  Limits are far apart and
# tolerances wide, since the machine may be busy; requests of one group run at
# the same time.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AILog;
use AIServer;

use IO::Socket::INET ();
use Time::HiRes qw(time sleep);

$ENV{TEST_NGINX_OWN} = free_port();
$ENV{TEST_NGINX_FULL} = free_port();

my $http = ai_log() . <<'END';
ai_usage off;

ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 4;
    ai_account provider=compatible base=http://a.test/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 4;
    ai_account provider=compatible base=http://b.test/v1; }
upstream own { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=compatible base=http://own/v1; }

ai_route m+*     { target a; target b tier=2 model=ok; }
ai_route alone+* { target a; }
ai_route own     { target own; }
ai_route own-b   { target own; target b tier=2; }
END

# Content events of a stream of ours, and what goes around them.
my $head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
           . "Connection: close\r\n\r\n";

sub chat { return join '', map { 'data: {"id":"x","choices":[{"index":0,'
    . '"delta":{"content":"' . $_ . qq("},"finish_reason":null}]}\n\n) } @_ }

my $finish = 'data: {"id":"x","choices":[{"index":0,"delta":{},'
             . qq("finish_reason":"stop"}]}\n\ndata: [DONE]\n\n);

check_blocks(http => $http, reset => [qw(a b)],
             perl => sub { eval shift });

# a stream that was ended by the gateway after its content
sub is_ended {
    my ($r, $outcome, $code, $what) = @_;

    is($r->{status}, 200, "$what: status");
    like($r->{body}, qr/"content":.*\n\n\n*data:\ \{"error":\{.*"code":"$code".*
                        \}\n\n\z/xs, "$what: ends with an error event");
    unlike($r->{body}, qr/\[DONE\]|"finish_reason":"/,
           "$what: no pretended end");
    ok($r->{complete}, "$what: complete as HTTP");
    is(logged($r)->{outcome}, $outcome, "$what: outcome");
}

sub is_whole {
    my ($r, $what) = @_;

    is($r->{status}, 200, "$what: status");
    like($r->{body}, qr/"finish_reason":"stop".*\[DONE\]\s*\z/s,
         "$what: whole");
    is(logged($r)->{outcome}, 'ok', "$what: outcome");
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: connect
--- routes
upstream full { server 127.0.0.1:$TEST_NGINX_FULL;
    ai_account provider=compatible base=http://full/v1; }
upstream mute { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=compatible base=https://mute.test/v1 verify=off; }
ai_class c { expose trail; connect 400ms; deadline 10s; retry_same off; }
ai_route full { target full; }
ai_route mute { target mute; }
ai_route full-b { target full; target b tier=2; }
ai_route mute-b { target mute; target b tier=2; }
--- check
# connections beyond the backlog are not answered
my $l = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1,
                              LocalPort => $ENV{TEST_NGINX_FULL}) or die $!;
listen $l, 0;
my @fill = map {
    IO::Socket::INET->new(PeerAddr => '127.0.0.1', Blocking => 0,
                          PeerPort => $ENV{TEST_NGINX_FULL})
} 1 .. 4;

# a handshake that is not answered
my $m = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 16,
                              LocalPort => $ENV{TEST_NGINX_OWN}) or die $!;
sleep 0.2;

my @r = ask_all(map { [model => $_, class => 'c'] }
                qw(full mute full-b mute-b));
for (0 .. 1) {
    my $name = qw(full mute)[$_];
    is(trail($r[$_]), "$name=502/connect", "$name: verdict");
    is("$r[$_]{status} " . error_code($r[$_]), '502 upstream_error',
       "$name: answer");
    within($r[$_], 0.4, 1.4, $name);
    is(trail($r[$_ + 2]), "$name=502/connect,b=200/ok", "$name: moves on");
    within($r[$_ + 2], 0.4, 1.4, "$name, moves on");
}



=== TEST 2: first_byte, for what is no stream
--- routes
ai_class fb  { expose trail; first_byte 500ms; first_token 5s; deadline 10s;
               retry_same off; }
ai_class def { expose trail; first_token 200ms; deadline 900ms; }
--- check
my ($late, $in_time, $stream, $moved, $default, $slow_body) = ask_all(
    [model => 'alone+sim:delay=1500', class => 'fb'],
    [model => 'alone+sim:delay=150', class => 'fb'],
    [model => 'alone+sim:delay=1200', class => 'fb', stream => 1],
    [model => 'm+sim:delay=1500', class => 'fb'],
    [model => 'alone+sim:hang', class => 'def'],
    [model => 'alone+sim:delay=500', class => 'def']);

is(trail($late), 'a=504/timeout', 'late');
is("$late->{status} " . error_code($late), '504 deadline_exceeded', 'late');
within($late, 0.5, 1.3, 'late');
is("$in_time->{status} " . trail($in_time), '200 a=200/ok', 'in time');
is("$stream->{status} " . trail($stream), '200 a=200/ok', 'not for streams');
is(trail($moved), 'a=504/timeout,b=200/ok', 'the next account');
within($moved, 0.5, 1.3, 'the next account');
is("$default->{status} " . trail($default), '504 a=504/timeout',
   'by default it is the deadline');
within($default, 0.9, 1.6, 'by default it is the deadline');
is($slow_body->{status}, 200, 'the deadline is not yet over');



=== TEST 3: first_token, for streams
--- routes
ai_class ft { expose trail; first_token 500ms; deadline 10s; retry_same off; }
--- check
my @sims = ('delay=1500', 'slow_first=1500', 'hang', 'hang_headers',
            'delay=1500,keepalive_comments=60',
            'slow_first=1500,keepalive_comments=60');
my @r = ask_all((map { [model => "alone+sim:$_", class => 'ft',
                        stream => 1] } @sims),
                (map { [model => "m+sim:$_", class => 'ft',
                        stream => 1] } @sims),
                [model => 'alone+sim:slow_first=150', class => 'ft',
                 stream => 1],
                [model => 'alone+sim:delay=900', class => 'ft'],
                [model => 'alone+sim:gap=300,words=5', class => 'ft',
                 stream => 1]);
for my $sim (@sims) {
    my $r = shift @r;
    like(trail($r), qr{^a=(?:200|504)/timeout$}, "$sim: verdict");
    is("$r->{status} " . error_code($r), '504 deadline_exceeded',
       "$sim: answer");
    within($r, 0.5, 1.3, $sim);
}
for my $sim (@sims) {
    my $r = shift @r;
    like(trail($r), qr{^a=(?:200|504)/timeout,b=200/ok$}, "$sim: moves on");
    is_whole($r, "$sim, moves on");
    within($r, 0.5, 1.3, "$sim, moves on");
}
is_whole(shift @r, 'in time');
is((shift @r)->{status}, 200, 'only for streams');
is_whole(shift @r, 'only for the first');

# other dialects' preliminaries are no first token either
@r = ask_all(map { [model => 'alone+sim:slow_first=1500', class => 'ft',
                    stream => 1, path => $_] }
             qw(/v1/responses /v1/messages));
for (@r) {
    is(trail($_), 'a=200/timeout', "$_->{path}: preliminaries");
    is($_->{status}, 504, "$_->{path}: status");
    within($_, 0.5, 1.3, $_->{path});
}



=== TEST 4: stall between events
--- routes
ai_class st { expose trail; stall 600ms; deadline 3s; }
--- check
own_server('OWN', sub {
    my ($c, $q) = @_;
    my ($how) = $q =~ /"how":"(\w+)"/;

    $c->autoflush(1);
    print $c $head, chat('one');
    if ($how eq 'comments') {
        sleep(0.1), print $c ": still here\n\n" for 1 .. 30;
        return;
    }
    if ($how eq 'blanks') {
        sleep(0.1), print $c "\n" for 1 .. 30;
        return;
    }
    if ($how eq 'pings') {
        sleep(0.1), print $c qq(event: ping\ndata: {"type":"ping"}\n\n)
            for 1 .. 30;
        return;
    }
    for (1 .. 9) {
        for (1 .. 2) { sleep 0.1; print $c ": still here\n\n" }
        print $c chat("word $_");
    }
    print $c $finish;
});

my @r = ask_all([model => 'alone+sim:stall=3', stream => 1, class => 'st'],
                [model => 'own', more => '"how":"comments",', stream => 1,
                 class => 'st'],
                [model => 'own', more => '"how":"blanks",', stream => 1,
                 class => 'st'],
                [model => 'own', more => '"how":"slow",', stream => 1,
                 class => 'st'],
                [model => 'own', more => '"how":"pings",', stream => 1,
                 class => 'st', path => '/v1/messages']);
for my $what ('silence', 'comments', 'blank lines') {
    my $r = shift @r;
    is_ended($r, 'stalled', 'deadline_exceeded', $what);
    within($r, 0.6, 1.4, $what);
    is(logged($r)->{class}, 'timeout', "$what: class");
}
is_whole($r[0], 'content now and then');
within($r[0], 1.7, 3.5, 'content now and then');
within($r[1], 0.6, 1.6, 'pings');
is(logged($r[1])->{outcome}, 'stalled', 'pings: outcome');



=== TEST 5: max_duration
--- routes
ai_class md   { expose trail; max_duration 1s; deadline 10s; stall 10s; }
--- check
own_server('OWN', sub {
    my ($c) = @_;
    $c->autoflush(1);
    print $c $head, chat('one');
    sleep(0.1), print $c ": still here\n\n" for 1 .. 30;
});
my ($busy, $silent, $comments, $short) = ask_all(
    [model => 'alone+sim:gap=100,words=40', class => 'md', stream => 1],
    [model => 'alone+sim:stall=2', class => 'md', stream => 1],
    [model => 'own', class => 'md', stream => 1],
    [model => 'alone+sim:gap=60,words=8', class => 'md', stream => 1]);
for (['busy', $busy], ['silent', $silent], ['comments', $comments]) {
    my ($what, $r) = @$_;
    within($r, 1, 1.8, $what);
    is_ended($r, $what eq 'busy' ? 'cut' : logged($r)->{outcome},
             'deadline_exceeded', $what);
    like(logged($r)->{outcome}, qr/^(?:cut|stalled)$/, "$what: outcome");
    is(logged($r)->{class}, 'timeout', "$what: class");
}
is_whole($short, 'short');



=== TEST 6: the deadline is for the first content, or for a whole answer
--- routes
ai_class dl { expose trail; deadline 1s; retry_same off; }
--- check
own_server('OWN', sub {
    my ($c, $q) = @_;
    my ($n) = $q =~ /"length":(\d+)/;
    my $body = '{"choices":[{"message":{"content":"'
               . 'x' x ($n - 40) . '"}}]}';

    $c->autoflush(1);
    print $c "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
             . "Content-Length: " . length($body) . "\r\n\r\n";
    my $piece = int(length($body) / 30) + 1;
    sleep(0.1), print $c $_ for unpack "(a$piece)*", $body;
});
my ($long, $late, $drip, $drip_long) = ask_all(
    [model => 'alone+sim:gap=150,words=16', class => 'dl', stream => 1],
    [model => 'alone+sim:slow_first=2500', class => 'dl', stream => 1],
    [model => 'own', class => 'dl', more => '"length":2000,'],
    [model => 'own', class => 'dl', more => '"length":200000,']);
is_whole($long, 'a healthy stream is not cut');
within($long, 2.2, 4, 'a healthy stream is not cut');
is("$late->{status} " . error_code($late), '504 deadline_exceeded',
   'no content in time');
within($late, 1, 1.7, 'no content in time');
is("$drip->{status} " . error_code($drip), '504 deadline_exceeded',
   'an answer in drops');
within($drip, 1, 1.7, 'an answer in drops');
within($drip_long, 0.9, 1.7, 'a long answer in drops');
ok(!$drip_long->{complete}, 'a long answer in drops: broken, not pretended');
is($drip_long->{status}, 200, 'a long answer in drops: had begun');
like(logged($drip_long)->{outcome}, qr/^(?:cut|stalled)$/,
     'a long answer in drops: outcome');



=== TEST 7: hold by time
--- routes
ai_class h   { expose trail; hold 700ms; stall 5s; deadline 10s;
               retry_same off; }
ai_class hs  { expose trail; hold 2s; stall 400ms; deadline 10s;
               retry_same off; }
--- check
my ($cut, $error, $reset, $late, $quiet, $short, $flow, $stall) = ask_all(
    [model => 'm+sim:gap=100,cut=4', class => 'h', stream => 1],
    [model => 'm+sim:gap=100,error_after=4', class => 'h', stream => 1],
    [model => 'm+sim:gap=100,reset_mid=4', class => 'h', stream => 1],
    [model => 'm+sim:gap=250,cut=7', class => 'h', stream => 1],
    [model => 'm+sim:gap=1600,words=2', class => 'h', stream => 1],
    [model => 'm+sim:words=5', class => 'h', stream => 1],
    [model => 'm+sim:gap=150,words=10', class => 'h', stream => 1],
    [model => 'm+sim:gap=50,stall=3', class => 'hs', stream => 1]);

for (['cut', $cut], ['error', $error], ['reset', $reset]) {
    my ($what, $r) = @$_;
    like(trail($r), qr{^a=200/\w+,b=200/ok$}, "$what: moves on");
    unlike(trail($r), qr{a=200/ok}, "$what: is a failure");
    is_whole($r, $what);
    is(() = $r->{body} =~ /word0/g, 1, "$what: nothing twice");
}
is_ended($late, 'cut', 'upstream_error', 'after the window');
is(trail($late), 'a=200/ok', 'after the window: no second attempt');

# what is held comes when the window is over, with or without more bytes
is_whole($quiet, 'quiet');
cmp_ok($quiet->{at}[0], '>=', 0.65, 'quiet: held');
cmp_ok($quiet->{at}[0], '<=', 1.4, 'quiet: let go without a byte more');
is_whole($flow, 'flow');
cmp_ok($flow->{at}[0], '>=', 0.65, 'flow: held');
cmp_ok($flow->{at}[0], '<=', 1.3, 'flow: let go');
is_whole($short, 'complete');
within($short, 0, 0.6, 'a complete answer is not held');

# a stall in the window
is(trail($stall), 'a=200/timeout,b=200/ok', 'stall: moves on');
is_whole($stall, 'stall');
within($stall, 0.4, 1.5, 'stall');



=== TEST 8: hold by tokens, and by both
--- routes
ai_class h5  { expose trail; hold 5t; deadline 10s; retry_same off; }
ai_class h5s { expose trail; hold 5t 600ms; deadline 10s; retry_same off; }
--- check
for my $n (1 .. 4) {
    my $r = ask(model => "m+sim:error_after=$n", class => 'h5', stream => 1);
    like(trail($r), qr{^a=200/server_error,b=200/ok$}, "after $n: moves on");
    is_whole($r, "after $n");
}
for my $n (5, 7) {
    my $r = ask(model => "m+sim:error_after=$n,gap=5", class => 'h5',
                stream => 1);
    like($r->{body}, qr/word@{[$n - 1]}.*"error":/s, "after $n: passes");
    is($r->{h}{'x-ai-attempts'}, 1, "after $n: one attempt");
}
my ($few, $many, $time) = ask_all(
    [model => 'm+sim:words=3', class => 'h5', stream => 1],
    [model => 'm+sim:gap=200,words=8', class => 'h5', stream => 1],
    [model => 'm+sim:gap=400,words=6', class => 'h5s', stream => 1]);
is_whole($few, 'fewer than that');
is_whole($many, 'more than that');
cmp_ok($many->{at}[0], '>=', 0.75, 'more than that: held');
cmp_ok($many->{at}[0], '<=', 1.35, 'more than that: let go');
is_whole($time, 'time comes first');
cmp_ok($time->{at}[0], '>=', 0.55, 'time comes first: held');
cmp_ok($time->{at}[0], '<=', 1.2, 'time comes first: let go');
