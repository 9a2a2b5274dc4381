# Copyright (C) nginx-ai-route contributors

# Streams pass byte for byte and event by event, without the usage chunk that
# only the gateway had asked for; a stream that fails before its content moves
# on to the next target, one that fails later ends honestly.
#
# What a provider says is compared to a direct request to it.  A block's
# "check" is Perl that runs while its nginx does.

use lib 't/lib';
use AIRoute providers => [qw(a b)], key => [qw(key-a key-b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AILog;
use AIServer;

use JSON::PP ();
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(sleep);

$ENV{AI_TEST_KEY_A} = 'key-a';
$ENV{AI_TEST_KEY_B} = 'key-b';
$ENV{TEST_NGINX_OWN} = free_port();

my $STREAM = '"stream":true,';
my $ASK = '"stream_options":{"include_usage":true},';

my $http = ai_log() . <<'END';
ai_usage off;

ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 4;
    ai_account provider=compatible base=http://a.test/v1
               key=env:AI_TEST_KEY_A; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 4;
    ai_account provider=compatible base=http://b.test/v1
               key=env:AI_TEST_KEY_B; }
upstream own { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=compatible base=http://own/v1; }

ai_route m     { target a; target b tier=2; }
ai_route alone { target a; }
ai_route own   { target own; target b tier=2; }
END

check_blocks(http => $http, reset => [qw(a b)],
             perl => sub { eval shift });

# A new fault, met by accounts that nothing is remembered of.

sub fault {
    provider_fault(@_);
    accounts_open(qw(a b own));
}

# a stream's events, each with its empty line; what follows the last one is
# an element of its own
sub events { return grep { length } split /(?<=\n\n)|(?<=\r\n\r\n)/, $_[0] }

# what a client gets of a stream when it did not ask for the usage chunk
sub without_usage {
    return join '', grep { !/"choices":\[\].*"usage":\{/ } events($_[0]);
}

# An honest end: whole events as the provider sent them, then one error event
# and nothing that looks like a good end.
sub is_honest {
    my ($r, $sent, $what) = @_;
    my @events = events($r->{body});
    my $last = pop @events;
    my ($json) = ($last || '') =~ /^(?:\r?\n)*data: (\{.*\})\n\n\z/;
    my $e = eval { JSON::PP::decode_json($json) } || {};

    is($r->{status}, 200, "$what: status");
    ok($r->{complete}, "$what: complete for HTTP");
    is(ref $e->{error} && join(',', sort keys %{ $e->{error} }),
       'code,message,param,type', "$what: an error event at the end")
        or diag("body: $r->{body}");
    is($e->{request_id}, $r->{id}, "$what: with the request's id");
    unlike($r->{body}, qr/\[DONE\]|"finish_reason":"/,
           "$what: no invented end");

    my $passed = join '', @events;
    my @whole = grep { /\n\r?\n\z/ } events($sent);
    ok(@whole > 1, "$what: the provider sent events") or diag($sent);
    same(substr($passed, 0, length join '', @whole), join('', @whole),
         "$what: all whole events came");
    $passed =~ s/[\r\n]+\z//;
    is(index(normal($sent), normal($passed)), 0, "$what: and nothing else");
}

# in pieces of these sizes
sub pieces {
    my ($c, $text, @sizes) = @_;
    my $i = 0;

    while (length $text) {
        syswrite $c, substr $text, 0, $sizes[$i++ % @sizes], '' or return;
        sleep 0.0005;
    }
}

# as many comments as there was time for are one
sub once { return $_[0]{body} =~ s/^((?::[^\n]*\r?\n)\r?\n)\1+/$1/r }

no_long_string();
run_tests();

__DATA__

=== TEST 1: bytes pass as the provider sent them
--- check
for my $sim ('ok', 'bytewise', 'crlf', 'crlf bytewise', 'cl', 'cl bytewise',
             'nochunk', 'nochunk bytewise crlf', 'done=off', 'usage=off',
             'words=1', 'words=0', 'words=300', 'words=300 crlf nochunk',
             'reasoning=5 cached=2', 'delay=50 keepalive_comments=10',
             'slow_first=50', 'content_type="Text/Event-Stream;charset=utf-8"',
             'content_type=text/plain', 'continue bytewise')
{
    provider_reset('a');
    fault('a', $sim);
    my $want = direct('a', '', model => 'alone', more => $STREAM . $ASK);
    my $r = ask(model => 'alone', more => $STREAM . $ASK);

    same(once($r), once($want), "$sim: usage asked for");
    is($r->{h}{'content-type'}, $want->{h}{'content-type'},
       "$sim: content type");
    ok($r->{complete}, "$sim: complete");

    for my $options ('', '"stream_options":{"include_usage":false},',
                     '"stream_options":null,', '"stream_options":{},')
    {
        next if $options && $sim ne 'ok' && $sim !~ /^crlf/;
        $r = ask(model => 'alone', more => $STREAM . $options);
        same(once($r), without_usage(once($want)),
             "$sim: usage not asked for ($options)");
        ok($r->{complete}, "$sim: complete");
        is("@{$r->{h}}{qw(x-ai-account x-ai-attempts)}", 'a 1', "$sim: by a");
        is(logged($r)->{outcome}, 'ok', "$sim: outcome");
    }
}
cmp_ok(length without_usage(direct('a', '', more => $STREAM . $ASK)->{body}),
       '<', length direct('a', '', more => $STREAM . $ASK)->{body},
       'there was something to leave out');



=== TEST 2: each event arrives when it is sent
--- check
for my $sim ('gap=60 words=6', 'gap=60 words=6 crlf', 'gap=60 words=6 nochunk',
             'gap=60 words=6 cl')
{
    for my $options ('', $ASK) {
        my (@at, $good);

        # a busy machine may read late, but what is held back comes late always
        for (1 .. 9) {
            fault('a', $sim);
            @at = @{ ask(more => $STREAM . $options)->{at} };
            my @new = ($at[0], map { $at[$_] }
                               grep { $at[$_] - $at[$_ - 1] > 0.03 } 1 .. $#at);

            # six words and the finish, sixty milliseconds apart
            $good = @new >= 6 && $new[0] < 0.055
                    && $new[-1] - $new[0] >= 0.28;
            last if $good;
            sleep 0.3;
        }
        ok($good, "$sim $options: the first at once, one by one, to the end")
            or diag("@at");
    }
}



=== TEST 3: a stream that fails before its content moves on
--- check
for my $sim ('error_first', 'error_first bytewise', 'error_first nochunk',
             'error_first cl crlf', 'error_first code=insufficient_quota',
             'error_first status=503 dialect=anthropic',
             'error_first dialect=gemini', 'error_first dialect=openrouter',
             'error_first delay=50 keepalive_comments=10',
             'empty', 'empty nochunk', 'empty cl', 'done_only',
             'done_only nochunk', 'done_only bytewise', 'cut=0', 'cut_mid=0',
             'cut=0 nochunk', 'cut=0 cl', 'reset_mid=0', 'badchunk=0',
             'error_after=0', 'words=0 done=off cut=0', '500', 'reset')
{
    for my $options ('', $ASK) {
        provider_reset('a');
        fault('a', $sim);
        my $r = ask(more => $STREAM . $options);
        my $want = direct('b', '', more => $STREAM . $ASK)->{body};

        is("$r->{status} @{$r->{h}}{qw(x-ai-account x-ai-attempts)}",
           '200 b 2', "$sim $options: served by b");
        same($r->{body}, $options ? $want : without_usage($want),
             "$sim $options: body");
        ok($r->{complete}, "$sim $options: complete");
        is(logged($r)->{outcome}, 'ok', "$sim $options: outcome");
    }
}



=== TEST 4: a stream that breaks after its content ends honestly
--- check
for my $sim ('cut=2', 'cut_mid=2', 'reset_mid=2 gap=20', 'badchunk=2 gap=20',
             'cut=2 cl',
             'cut_mid=2 cl', 'cut=2 nochunk', 'cut_mid=2 nochunk',
             'cut=2 bytewise', 'cut_mid=2 crlf', 'cut=8')
{
    for my $options ('', $ASK) {
        provider_reset('b');
        fault('a', $sim);
        my $sent = direct('a', '', more => $STREAM . $ASK)->{body};
        my $r = ask(more => $STREAM . $options);

        is_honest($r, $sent, "$sim $options");
        is("@{$r->{h}}{qw(x-ai-account x-ai-attempts)}", 'a 1',
           "$sim $options: no second attempt");
        like(logged($r)->{outcome}, qr/^cut$/, "$sim $options: outcome");
        is(provider_get('b', '/__stats') =~ /"requests":0\b/, 1,
           "$sim $options: b was not asked");
    }
}



=== TEST 5: a provider's own error event after the content passes as it is
--- check
for my $sim ('error_after=2', 'error_after=2 bytewise', 'error_after=2 nochunk',
             'error_after=2 crlf', 'error_after=2 code=insufficient_quota')
{
    for my $options ('', $ASK) {
        # without a gap it would be seen before the content is passed on
        fault('a', "$sim gap=20");
        my $sent = direct('a', '', more => $STREAM . $ASK)->{body};
        my $r = ask(more => $STREAM . $options);

        same($r->{body}, $sent, "$sim $options: body");
        like($r->{body}, qr/"error":/, "$sim $options: has the error");
        is(() = $r->{body} =~ /"error":/g, 1, "$sim $options: only one");
        ok($r->{complete}, "$sim $options: complete");
        is(logged($r)->{outcome}, 'error', "$sim $options: outcome");
    }
}



=== TEST 6: an answer that is no stream is never a fake success
--- check
for my $sim ('cut=1', 'cut=1 chunked', 'cut=1 nochunk', 'reset_mid=1',
             'reset_mid=1 chunked', 'reset_mid=1 nochunk', 'badchunk=1 chunked')
{
    fault('a', "$sim size=100000");
    my $r = ask();

    if ($r->{status} == 200 && ($r->{h}{'x-ai-account'} || '') eq 'b') {
        ok($r->{complete}, "$sim: failed over");
        next;
    }
    ok(!$r->{complete}, "$sim: the client sees that it is broken");
    unlike($r->{body}, qr/upstream_error|\}\s*\z/, "$sim: no pretended end");
    is(logged($r)->{outcome}, 'cut', "$sim: outcome");
}

# and whole ones are whole, of any size around the buffer's
for my $size (0, 1, 4000, 15000, 16000, 16384, 17000, 40000, 1000000) {
    for my $how ('cl', 'chunked', 'nochunk', 'bytewise', 'bytewise chunked') {
        next if $how =~ /bytewise/ && $size > 1;
        fault('a', "size=$size $how");
        my $r = ask();
        same($r->{body}, direct('a')->{body}, "$size $how: body");
        ok($r->{complete}, "$size $how: complete");
        is("$r->{h}{'x-ai-attempts'} " . logged($r)->{outcome}, '1 ok',
           "$size $how: outcome");
    }
}



=== TEST 7: a client that speaks HTTP/1.0
--- check
for my $sim ('ok', 'cl', 'nochunk') {
    fault('a', $sim);
    my $want = direct('a', '', more => $STREAM . $ASK)->{body};
    my $r = ask(version => '1.0', more => $STREAM);
    ok(!exists $r->{h}{'transfer-encoding'}, "$sim: not chunked");
    same($r->{body}, without_usage($want), "$sim: body");
    ok($r->{complete}, "$sim: complete");
    same(ask(version => '1.0')->{body}, direct('a')->{body},
         "$sim: not a stream");
}
fault('a', 'cut=2');
is_honest(ask(version => '1.0', more => $STREAM),
          direct('a', '', more => $STREAM . $ASK)->{body}, 'cut');



=== TEST 8: events of any size, in pieces of any size
--- check
my $big = sub {
    my ($n, $usage) = @_;
    return 'data: {"id":"x","choices":[{"index":0,"delta":{"content":"'
           . join('', map { chr(97 + $_ % 26) } 1 .. $n) . '"},'
           . '"finish_reason":null}]' . ($usage ? ',"usage":null' : '')
           . "}\n\n";
};
my $role = 'data: {"id":"x","choices":[{"index":0,"delta":{"role":'
           . qq("assistant","content":""},"finish_reason":null}]}\n\n);
my $finish = 'data: {"id":"x","choices":[{"index":0,"delta":{},'
             . qq("finish_reason":"stop"}]}\n\n);
my $usage = '"usage":{"prompt_tokens":7,"completion_tokens":3,'
            . '"total_tokens":10}';
my $done = "data: [DONE]\n\n";
my %stream = (
    small => [$role, $big->(10), $finish, "!data: {\"choices\":[],$usage}\n\n",
              $done],
    sizes => [$role, (map { $big->($_, 1) } 3000, 5000, 20000, 70000, 1, 4000,
                      4096, 4020), $finish,
              "!data: {\"choices\":[],$usage}\n\n", $done],
    first_70k => [$big->(70000), $big->(5), $finish,
                  "!data: {\"id\":\"x\", \"choices\": [ ], $usage}\n\n", $done],
    first_300k => [$big->(300000), $finish,
                   "!data: {$usage,\"choices\":[]}\n\n", $done],
    long_usage => [$role, $big->(5), $finish, '!data: {"choices":[],"x":"'
                   . 'y' x 3000 . "\",$usage}\n\n", $done],
    decoy => [$role, $big->(5), 'data: {"choices":[{"delta":{"content":'
              . qq("\\"choices\\":[],\\"usage\\":{}"}}]}\n\n), $finish,
              qq(data: {"choices":[{"index":0,"delta":{}}],$usage}\n\n), $done],
    azure => [qq(data: {"choices":[],"prompt_filter_results":[]}\n\n), $role,
              $big->(5), $finish, "!data: {\"choices\":[],$usage}\n\n", $done],
    comments => [": hi\n\n", $role, ": \n\n", $big->(5), "\n", "\n",
                 "event: x\nid: 1\nretry: 2\ndata: {\"choices\":[{\"delta\":"
                 . "{\"content\":\"\"}}]}\n\n", $finish, ": bye\n\n",
                 "!data: {\"choices\":[],$usage}\n\n", $done, ": end\n\n"],
    lines => [$role, $big->(5), "data:\ndata: {\"choices\":\ndata: []}\n\n",
              $finish, $done],
    cr => [map { (my $e = $_) =~ s/\n/\r/g; $e }
           $role, $big->(5), $big->(5000), $finish,
           "!data: {\"choices\":[],$usage}\n\n", $done],
    crlf => [map { (my $e = $_) =~ s/\n/\r\n/g; $e }
             $role, $big->(5), $big->(5000), $big->(4090), $finish,
             "!data: {\"choices\":[],$usage}\n\n", $done],
    no_end => [$role, $big->(5), $finish, "!data: {\"choices\":[],$usage}\n\n",
               'data: [DONE]'],
    bom => ["\xef\xbb\xbf" . $role, $big->(5), $finish,
            "!data: {\"choices\":[],$usage}\n\n", $done],
    no_usage => [$role, $big->(5), $finish, $done],
    utf8 => [$role, "data: {\"choices\":[{\"delta\":{\"content\":\""
             . "\xc3\xa4\xf0\x9f\x98\x80" x 900 . "\"}}]}\n\n", $finish,
             "!data: {\"choices\":[],$usage}\n\n", $done],
    json => ['{"choices":[{"message":{"content":"not a stream"}}]}'],
);

own_server('OWN', sub {
    my ($c, $q) = @_;
    $c->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
    my ($what, $how) = $q =~ /"what":"(\w+)","how":"([\d,]+)"/;
    my $text = join '', @{ $stream{$what} };
    my $type = $what eq 'json' ? 'application/json' : 'text/event-stream';
    $text =~ s/^!|(?<=[\n\r])!//g;
    syswrite $c, "HTTP/1.1 200 OK\r\nContent-Type: $type\r\n"
                 . "Connection: close\r\n\r\n";
    pieces($c, $text, split /,/, $how);
});

for my $what (sort keys %stream) {
    my $all = join '', map { my $e = $_; $e =~ s/^!//; $e } @{ $stream{$what} };
    my $less = join '', grep { !/^!/ } @{ $stream{$what} };
    my @how = ('1000000', '16384', '4096,1,5000', '1499,3');
    push @how, '7,1,2' if length $all < 1500;

    for my $how (@how) {
        my $more = qq($STREAM"what":"$what","how":"$how",);
        my $r = ask(model => 'own', more => $more);
        same($r->{body}, $less, "$what in $how: usage not asked for");
        is("$r->{status} $r->{h}{'x-ai-account'} $r->{complete}", '200 own 1',
           "$what in $how");
        $r = ask(model => 'own', more => $more . $ASK);
        same($r->{body}, $all, "$what in $how: usage asked for");
        is(logged($r)->{outcome}, 'ok', "$what in $how: outcome");
    }
}



=== TEST 9: a client that does not read for a while
--- check
for my $sim ('words=10000', 'words=10000 crlf nochunk') {
    for my $options ('', $ASK) {
        fault('a', $sim);
        my $want = direct('a', '', more => $STREAM . $ASK)->{body};
        my $r = ask(more => $STREAM . $options, wait => 0.3);

        same($r->{body}, $options ? $want : without_usage($want),
             "$sim $options: body");
        ok($r->{complete}, "$sim $options: complete");
    }
}



=== TEST 10: completions, responses and messages streams pass, too
--- check
for my $path (qw(/v1/completions /v1/responses /v1/messages)) {
    my $ask = $path =~ /completions/ ? $ASK : '';
    my $want = without_usage(direct('a', '', path => $path,
                                    more => $STREAM . $ask)->{body});
    my $r = ask(path => $path, more => $STREAM);
    my $got = $r->{body};

    s/"(?:prompt|input|total)_tokens":\d+/"tokens":N/g, s/sim\d+/simN/g
        for $got, $want;
    same($got, $want, "$path: body");
    is("$r->{h}{'x-ai-attempts'} " . logged($r)->{outcome}, '1 ok',
       "$path: outcome");

    fault('a', 'error_first');
    is(ask(path => $path, more => $STREAM)->{h}{'x-ai-account'}, 'b',
       "$path: error first fails over");

    fault('a', 'cut=2');
    $r = ask(path => $path, more => $STREAM);
    like($r->{body}, qr/\n\n(?:event: error\n)?data: \{.*"error".*\}\n\n\z/,
         "$path: cut: an error event");
    unlike($r->{body}, qr/\[DONE\]|message_stop|response\.completed/,
           "$path: cut: no invented end");
    like($r->{body}, $path =~ /messages/
                     ? qr/event: error\ndata: \{"type":"error"/
                     : qr/data: \{.*"code":"upstream_error"/,
         "$path: cut: in the client's dialect");
    provider_reset('a');
}
