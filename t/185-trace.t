# Copyright (C) nginx-ai-route contributors

# W3C trace context: the client's trace goes on, another one begins where it
# has none, each request to an account is a span of its own in it, and records
# and variables have its id.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIOwn;
use AIWorkers;

use Time::HiRes qw(sleep);

workers(2);

$ENV{TEST_NGINX_H2} = free_port();

my $tmp = tmp_dir();
my $http = <<"END";
log_format trace '\$ai_request_id trace=\$ai_trace_id parent=\$ai_parent_id';
access_log $tmp/access.log trace;
ai_usage file:$tmp/usage.jsonl;
ai_class default { expose trail; max_wait off; retry_same off; }
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:\$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=openai base=http://a/v1; }
upstream b { server 127.0.0.1:\$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=openai base=http://b/v1; }
upstream own { server 127.0.0.1:\$TEST_NGINX_OWN; }
ai_route m { target a; target b tier=2; }
ai_route alone { target a; }

server {
    listen 127.0.0.1:\$TEST_NGINX_H2 http2;
    location /v1/ { ai_pass; }
}
END

my $id = '4bf92f3577b34da6a3ce929d0e0e4736';
my $parent = '00f067aa0ba902b7';
my $good = "00-$id-$parent-01";

check_blocks(http => $http, reset => [qw(a b)], perl => sub { eval shift },
             config => 'location /m/ { proxy_pass http://own/; ai_meter on; }',
             before => sub { truncate "$tmp/$_", 0
                                 for qw(access.log usage.jsonl) });

# the values of a header in an account's last request
sub sent {
    my ($name, $header) = @_;

    return map { $_->[1] } grep { lc $_->[0] eq $header }
           @{ seen($name)->{headers} };
}

# [trace id, parent id, flags] that an account has got, once
sub got {
    my ($name, $what) = @_;
    my @tp = sent($name, 'traceparent');

    is(scalar @tp, 1, "$what: one traceparent at $name");
    like($tp[0], qr/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]$/, "$what: sane");
    return [(split /-/, $tp[0])[1 .. 3]];
}

sub traced { my $head = shift; return ask(head => "traceparent: $head\r\n", @_) }

# what $ai_trace_id and $ai_parent_id were
sub logged {
    my $r = shift;
    my ($line) = @{ wait_for(3, sub {
        my @l = grep { /^\Q$r->{id}\E / }
                split /\n/, slurp_lines("$tmp/access.log");
        return @l && \@l;
    }) || [''] };

    return { $line =~ /(\w+)=(\S+)/g };
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: the client's trace, a parent of its own for each attempt
--- check
provider_fault('a', "times=1 status=500\nok");
my $r = traced($good);
is($r->{status}, 200, 'served');
is(trail($r), 'a=500/server_error,b=200/ok', 'by the second');
my ($x, $y) = map { got($_, 'two attempts') } qw(a b);
is($_->[0], $id, 'the same trace') for $x, $y;
is($_->[2], '01', 'sampled as it was') for $x, $y;
is(scalar(keys %{{ map { $_ => 1 } $x->[1], $y->[1], $parent }}), 3,
   'three spans');
my @rec = records($r, 3);
is_deeply([map { $_->{trace_id} } @rec], [($id) x 3], 'in all records');
my $log = logged($r);
is($log->{trace}, $id, '$ai_trace_id');
is($log->{parent}, $y->[1], '$ai_parent_id is the last attempt\'s');

# not sampled stays so, and "random" goes on
for (qw(00 02 03)) {
    is(traced("00-$id-$parent-$_")->{status}, 200, "flags $_");
    is(got('a', $_)->[2], $_, 'as they were');
}
is(traced("00-$id-$parent-fe")->{status}, 200, 'flags that nobody knows');
is(got('a', 'unknown flags')->[2], '02', 'are left out');



=== TEST 2: without one
--- check
provider_fault('a', "times=1 status=500\nok");
my $r = ask();
is($r->{status}, 200, 'served');
my ($x, $y) = map { got($_, 'none') } qw(a b);
is($x->[0], $y->[0], 'one trace');
isnt($x->[1], $y->[1], 'two spans');
is($_->[2], '01', 'sampled') for $x, $y;
my @rec = records($r, 3);
is_deeply([map { $_->{trace_id} } @rec], [($x->[0]) x 3], 'in all records');
is("$x->[0]/0", $rec[0]{event_id}, 'whose id it is');
is(logged($r)->{trace}, $x->[0], '$ai_trace_id');

my %seen;
for (1 .. 20) {
    ask();
    my $got = got('a', 'another');
    $seen{$got->[0]}++;
    $seen{$got->[1]}++;
}
is(scalar keys %seen, 40, 'each has ids of its own');

# a refused one has an id, too, and no parent
$r = ask(model => 'nobody');
is($r->{status}, 404, 'refused');
my ($rec) = records($r, 1);
like($rec->{trace_id}, qr/^[0-9a-f]{32}$/, 'its record');
is(logged($r)->{parent}, '-', 'nothing was sent');
$r = traced($good, model => 'nobody');
($rec) = records($r, 1);
is($rec->{trace_id}, $id, 'in the client\'s trace');



=== TEST 3: what is no traceparent begins a new trace
--- check
my $zero = '0' x 32;
my %bad = (
    'empty' => '', 'version 00, longer' => "$good-x", 'a letter' => "x$good",
    'version ff' => "ff-$id-$parent-01", 'short' => "00-$id-$parent",
    'upper case' => '00-' . uc($id) . "-$parent-01",
    'trace id of zeros' => "00-$zero-$parent-01",
    'parent of zeros' => "00-$id-" . '0' x 16 . '-01',
    'version 01, no dash' => "01-$id-$parent-01x",
    'two in one' => "$good, $good", 'underscores' => $good =~ tr/-/_/r,
    'not hex' => "00-" . 'g' x 32 . "-$parent-01",
    'eight bits' => "00-\xc3\xa4" . substr($id, 2) . "-$parent-01",
    'long' => "00-$id-$parent-01" . '0' x 4000,
);
for my $what (sort keys %bad) {
    my $r = traced("$bad{$what}\r\ntracestate: a=1");
    is($r->{status}, 200, "$what: served");
    my $got = got('a', $what);
    isnt($got->[0], $id, "$what: another trace");
    is($got->[2], '01', "$what: sampled");
    is(scalar(sent('a', 'tracestate')), 0, "$what: no tracestate");
    my ($rec) = records($r, 1);
    is($rec->{trace_id}, $got->[0], "$what: recorded");
}

my $r = traced("$good\r\ntraceparent: $good");
isnt(got('a', 'two headers')->[0], $id, 'two headers: another trace');
$r = traced("$good\r\nTraceParent: 00-$zero-$parent-01");
isnt(got('a', 'a second one')->[0], $id, 'a good and a bad one, too');

for ("cc-$id-$parent-01", "01-$id-$parent-01-what.comes") {
    traced($_);
    is_deeply([@{ got('a', $_) }[0, 2]], [$id, '01'], 'a later version is read');
}



=== TEST 4: tracestate
--- check
sub state { return join '|', sent('a', 'tracestate') }

my @case = (
    ['a=1', 'a=1'],
    ["a=1,b=2\r\ntracestate: c=3", 'a=1,b=2,c=3'],
    [" a=1 ,,\tb=2 \r\ntracestate:\r\nTraceState: ,c=3,", 'a=1,b=2,c=3'],
    ['', ''],
    ["a=1\r\ntracestate: b", ''],
    ['A=1', ''], ['a=', ''], ["a=\x01", ''], ["a=\xff", ''],
    [join(',', map { "k$_=v" } 1 .. 32), join ',', map { "k$_=v" } 1 .. 32],
    [join(',', map { "k$_=v" } 1 .. 33), ''],
    [join("\r\ntracestate: ", map { "k$_=v" } 1 .. 33), ''],
    ['a=' . 'x' x 253 . ',b=' . 'x' x 254,
     'a=' . 'x' x 253 . ',b=' . 'x' x 254],
    ['a=' . 'x' x 254 . ',b=' . 'x' x 254, ''],
);
for (@case) {
    my ($in, $want) = @$_;
    my $what = substr $in =~ s/[^ -~]/./gr, 0, 40;
    my $r = traced("$good\r\ntracestate: $in");
    is($r->{status}, 200, "$what: served");
    is(state(), $want, "$what: what goes on");
    is(got('a', $what)->[0], $id, "$what: the trace does in any case");
}

provider_fault('a', "times=1 status=500\nok");
traced("$good\r\ntracestate: a=1");
is(join('|', sent('b', 'tracestate')), 'a=1', 'with the second attempt');

# for this hop only
ask(head => "traceparent: $good\r\ntracestate: a=1\r\n"
            . "Connection: tracestate\r\n");
is(state(), '', 'named by Connection');
is(got('a', 'Connection')->[0], $id, 'the trace is ours to go on with');

# alone it has no meaning
ask(head => "tracestate: a=1\r\n");
is(state(), '', 'without a traceparent');



=== TEST 5: what a module before this one has written
--- check
# ngx_otel_module puts its own into the request's headers and empties a
# tracestate that it does not know
traced("$good\r\ntracestate:");
is(got('a', 'otel')->[0], $id, 'its trace');
is(scalar(sent('a', 'tracestate')), 0, 'no empty header');



=== TEST 6: streams, HTTP/2, GET models
--- check
traced($good, stream => 1);
is(got('a', 'stream')->[0], $id, 'a stream');
my $r = traced("$good\r\ntracestate: a=1\r\ntracestate: b=2", version => 2);
is($r->{status}, 200, 'HTTP/2');
is(got('a', 'HTTP/2')->[0], $id, 'HTTP/2: the trace');
is(join('|', sent('a', 'tracestate')), 'a=1,b=2', 'HTTP/2: tracestate');
$r = traced("$good\r\ntraceparent: $good", version => 2);
isnt(got('a', 'HTTP/2, two')->[0], $id, 'HTTP/2: two headers');
$r = traced($good, method => 'GET', path => '/v1/models', body => '');
is($r->{status}, 200, 'models');
my ($rec) = records($r, 1);
is($rec->{trace_id}, $id, 'models: recorded');



=== TEST 7: a metered location records the client's and sends nothing
--- check
for (["traceparent: $good\r\n", $id, $good], ['', undef, undef],
     ["traceparent: 00-$id-$parent-1\r\n", undef, "00-$id-$parent-1"])
{
    my ($head, $want, $sent) = @$_;
    own(sub {
        my ($c, $request) = @_;
        my $answer = '{"tp":"'
                     . join('|', $request =~ /^traceparent: (.*?)\r$/gim)
                     . '"}';
        print $c "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                 . 'Content-Length: ' . length($answer) . "\r\n"
                 . "Connection: close\r\n\r\n$answer";
    });
    my $r = ask_own(path => '/m/v1/chat/completions', head => $head);
    is($r->{status}, 200, 'metered');
    is($r->{body}, '{"tp":"' . ($sent || '') . '"}', 'as the client sent it');
    my ($rec) = records($r, 1);
    is($rec->{trace_id}, $want, 'recorded only if it is valid');
    my $log = logged($r);
    is($log->{trace}, $want || '-', '$ai_trace_id');
    is($log->{parent}, '-', 'no $ai_parent_id');
}



=== TEST 8: the record of one that was lost with its worker
--- log_ok chomp
exited on signal 9
--- check
provider_fault('a', 'words=40 gap=200 delay=4000');
my @q = map { open_request(stream => 1, head => $_) }
            "traceparent: $good\r\n", '';
ok(wait_for(3, sub { requests('a') == 2 }), 'both run');
my $sent = got('a', 'lost')->[0];
kill_workers();
my ($one) = records($q[0], 1);
my ($two) = records($q[1], 1);
is($one->{error_class}, 'worker_lost', 'lost');
is($one->{trace_id}, $id, 'in its trace');
is($two->{trace_id} . '/0', $two->{event_id}, 'the other in its own');
