# Copyright (C) nginx-ai-route contributors

# Clients that speak HTTP/2 (h2c): answers, streams, refusals, large bodies
# with and without a length, clients that leave.
#
# curl() is the client; where an answer comes before the request's end, which
# some versions of curl take for an error, and for many streams at once it is
# h2(), which speaks frames.
#
# "then" is Perl, run while nginx is up.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';

use Digest::SHA ();
use IO::Socket::INET ();
use JSON::PP ();
use Time::HiRes ();

my $json = JSON::PP->new->utf8;
my $tmp = tmp_dir();
our ($ok, $stream) = ('{"model":"m","messages":[]}',
                      '{"model":"m","stream":true}');

BEGIN { $ENV{TEST_NGINX_H2_PORT} = free_port() }

our $base = <<'END';
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a.test/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b.test/v1; }
upstream dead { server 127.0.0.1:$TEST_NGINX_DEAD_PORT;
    ai_account provider=compatible base=http://dead.test/v1; }
ai_route m { target a; }
ai_route two { target a model=first-name; target b model=x tier=2; }
ai_route dead { target dead; }
server {
    listen 127.0.0.1:$TEST_NGINX_H2_PORT http2;
    client_max_body_size 64m;
    location /v1/ { LIMITS ai_pass; }
}
END

add_block_preprocessor(sub {
    my $block = shift;
    my $limits = defined $block->limits ? $block->limits : '';

    $block->set_value('http_config', $main::base =~ s/LIMITS/$limits/r);
    $block->set_value('config', "location = /up { return 204; }\n");
    $block->set_value('request', "GET /up\n");
    $block->set_value('error_code', 204);
    provider_reset(qw(a b));
});

add_response_body_check(sub {
    my ($block) = @_;

    eval $block->then;
    fail($block->name . " - then: $@") if $@;
});


# one request: status, headers (names in lower case), body, exit of curl

sub curl {
    my ($path, @args) = @_;
    my $url = "http://127.0.0.1:$ENV{TEST_NGINX_H2_PORT}/v1/$path";

    unlink "$tmp/head", "$tmp/body";
    system 'curl', '-sS', '--http2-prior-knowledge', '-m', 20, '-D',
           "$tmp/head", '-o', "$tmp/body", '--stderr', "$tmp/stderr", @args,
           $url;

    my $exit = $? >> 8;
    my $head = -e "$tmp/head" ? slurp("$tmp/head") : '';
    my %h;

    for (split /\r\n/, $head) {
        $h{ lc $1 } = exists $h{ lc $1 } ? "$h{ lc $1 }, $2" : $2
            if /^([^:]+): *(.*)/;
    }

    return { exit => $exit, headers => \%h,
             status => $head =~ m{^HTTP/2 (\d+)}m ? $1 : 0,
             body => -e "$tmp/body" ? slurp("$tmp/body") : '' };
}

sub post { return curl('chat/completions', '--data-binary', @_) }

sub last_of { return $json->decode(provider_get($_[0], '/__last')) }

sub refused {
    my ($r, $status, $code, $what) = @_;
    my $e = eval { $json->decode($r->{body}) } || {};

    is($r->{exit}, 0, "$what - complete");
    is($r->{status}, $status, "$what - status");
    is($r->{headers}{'content-type'}, 'application/json', "$what - type");
    is($e->{error}{code}, $code, "$what - code");
    like($e->{request_id}, qr/^[0-9a-f]{32}\z/, "$what - id");
    is($e->{request_id}, $r->{headers}{'x-request-id'}, "$what - same id");
}

# Requests [METHOD, PATH, BODY, NAME => VALUE...] as streams of one connection,
# bodies together below 65,535 bytes: for each the status, the body, whether
# it ended and with which RST_STREAM.

sub h2 {
    my @requests = @_;
    my (@answers, $in, $ended);
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $ENV{TEST_NGINX_H2_PORT})
        or die "cannot connect: $!\n";
    my $frame = sub {
        my ($type, $flags, $id, $payload) = @_;
        return substr(pack('N', length $payload), 1)
               . pack('CCN', $type, $flags, $id) . $payload;
    };
    my $string = sub { chr(length $_[0]) . $_[0] };     # shorter than 127
    # 60 answers may be larger than the window of a connection
    my $out = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . $frame->(4, 0, 0, '')
              . $frame->(8, 0, 0, pack 'N', 1 << 24);

    for my $i (0 .. $#requests) {
        my ($method, $path, $body, @headers) = @{ $requests[$i] };
        my $id = 2 * $i + 1;

        # literal fields without indexing, names written out
        my @fields = (':method', $method, ':scheme', 'http', ':path',
                      "/v1/$path", ':authority', 'x', @headers);
        my $block = '';

        while (my ($name, $value) = splice @fields, 0, 2) {
            $block .= "\0" . $string->($name) . $string->($value);
        }

        $out .= $frame->(1, 4 | (length $body ? 0 : 1), $id, $block);
        $answers[$i] = { status => 0, body => '' };

        while (length $body) {
            my $piece = substr $body, 0, 16_384, '';
            $out .= $frame->(0, length $body ? 0 : 1, $id, $piece);
        }
    }

    print $s $out;
    $s->flush;
    $in = '';
    $ended = 0;

    local $SIG{ALRM} = sub { die "HTTP/2: no answer in 15 s\n" };
    alarm 15;

    while ($ended < @requests && sysread $s, $in, 65_536, length $in) {

        while (length $in >= 9) {
            my ($high, $low, $type, $flags, $id) = unpack 'CnCCN', $in;
            my $n = $high << 16 | $low;

            last if length $in < 9 + $n;
            my $payload = substr substr($in, 0, 9 + $n, ''), 9;

            die 'GOAWAY: ' . unpack('H*', $payload) . "\n" if $type == 7;
            print $s $frame->(4, 1, 0, '') if $type == 4 && !($flags & 1);
            next unless $id;

            my $a = $answers[($id - 1) / 2];

            if ($type == 1) {
                # :status is the first field: indexed, or a plain literal
                my $first = ord $payload;
                $a->{status} = { 0x88 => 200, 0x89 => 204, 0x8c => 400,
                                 0x8d => 404, 0x8e => 500 }->{$first}
                               || substr $payload, 2, 3;
            }

            $a->{body} .= $payload if $type == 0;
            $a->{rst} = unpack 'N', $payload if $type == 3;

            if (!$a->{ended} && ($type <= 1 && $flags & 1 || $type == 3)) {
                $a->{ended} = 1;
                $ended++;
            }
        }
    }

    alarm 0;
    return @answers;
}

# the same kind of refusal, read off the frames

sub refused_early {
    my ($status, $code, $what, @request) = @_;
    my ($r) = h2([@request]);
    my $e = eval { $json->decode($r->{body}) } || {};

    is($r->{status}, $status, "$what - status");
    is($e->{error}{code}, $code, "$what - code");
    like($e->{request_id}, qr/^[0-9a-f]{32}\z/, "$what - id");
    ok($r->{ended}, "$what - ended");
    is($r->{rst} || 0, 0, "$what - without an error");
}

# a file with a body of N bytes, its model in front or at the end

sub file {
    my ($n, $model, $at) = @_;
    my $m = "\"model\":\"$model\"";
    my ($open, $close) = $at eq 'first' ? ("{$m,\"p\":\"", '"}')
                                        : ('{"p":"', "\",$m}");
    my $room = $n - length($open . $close);
    my $unit = '\\"model\\":0123456789abcdef';
    my $body = $open . $unit x int($room / length $unit)
               . 'z' x ($room % length $unit) . $close;

    open my $fh, '>', "$tmp/upload" or die "upload: $!\n";
    print $fh $body;
    close $fh;
    return $body;
}

sub arrived {
    my ($who, $body, $what) = @_;
    my $last = last_of($who);
    my %h = map { lc $_->[0] => $_->[1] } @{ $last->{headers} || [] };

    is($last->{body_bytes}, length $body, "$what - length");
    is($last->{body_sha1}, Digest::SHA::sha1_hex($body), "$what - sha1");
    is($h{'content-length'}, length $body, "$what - Content-Length");
    is($h{'transfer-encoding'}, undef, "$what - no chunks");
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: an answer
--- then
my $r = post($main::ok, '-H', 'X-Request-ID: id-1');
is($r->{status}, 200, 'status');
is($r->{exit}, 0, 'complete');
is($json->decode($r->{body})->{object}, 'chat.completion', 'body');
is($r->{headers}{'x-request-id'}, 'id-1', 'id');
is($r->{headers}{'x-ai-account'}, 'a', 'account');
is($r->{headers}{'x-ai-model'}, 'm', 'model');
is($r->{headers}{'x-ai-attempts'}, 1, 'attempts');
is($r->{headers}{connection}, undef, 'no Connection');
is($r->{headers}{'set-cookie'}, undef, 'no cookie');
arrived('a', $main::ok, 'request');



=== TEST 2: a stream
--- then
my $r = post($main::stream);
is($r->{exit}, 0, 'complete');
is($r->{status}, 200, 'status');
like($r->{headers}{'content-type'}, qr{^text/event-stream}, 'type');
my @events = split /\n\n/, $r->{body};
is(scalar(grep { /"content":"[^"]*word\d/ } @events), 8, 'all words');
is($events[-1], 'data: [DONE]', 'end');
unlike($r->{body}, qr/"choices":\[\]/, 'no usage chunk');

$r = post('{"model":"m","stream":true,"stream_options":{"include_usage":true}}');
like($r->{body}, qr/"choices":\[\],"usage":\{[^\n]*\}\n\ndata: \[DONE\]\n\n\z/,
     'usage for who asks');



=== TEST 3: a stream's events come one by one
--- then
my $t = Time::HiRes::time();
open my $fh, '-|', 'curl', '-sSN', '--http2-prior-knowledge', '-m', 10, '-d',
     $main::stream, '-H', 'X-Sim: words=4,gap=250',
     "http://127.0.0.1:$ENV{TEST_NGINX_H2_PORT}/v1/chat/completions"
    or die "curl: $!\n";
my @at;
while (<$fh>) { push @at, Time::HiRes::time() - $t if /word\d/ }
close $fh;
is(scalar @at, 4, 'all');
cmp_ok($at[0], '<', 0.6, 'the first is not held back');
cmp_ok($at[3] - $at[0], '>', 0.5, 'nor are they sent together');



=== TEST 4: refusals
--- limits: client_max_body_size 1k;
--- then
refused(post('{'), 400, 'invalid_request_error', 'truncated');
refused(post('{}'), 400, 'invalid_request_error', 'no model');
refused(post('{"model":"nope"}'), 404, 'model_not_found', 'unknown model');
refused(curl('nope', '-X', 'POST'), 404, 'not_found', 'unknown path');
refused(curl('chat/completions'), 405, 'method_not_allowed', 'GET');
refused(curl('chat/completions', '-X', 'POST'), 400, 'invalid_request_error',
        'no body');
is(curl('chat/completions')->{headers}{allow}, 'POST', 'Allow');

my $r = curl('chat/completions', '-I');
is($r->{status}, 405, 'HEAD - status');
is($r->{body} =~ /\{/ ? 1 : 0, 0, 'HEAD - no body');
is(stats('a')->{requests}, 0, 'nothing went upstream');



=== TEST 5: refusals before the body came
--- limits: client_max_body_size 1k;
--- then
my @post = ('POST', 'chat/completions');

refused_early(404, 'not_found', 'unknown path', 'POST', 'nope', $main::ok);
refused_early(405, 'method_not_allowed', 'PUT', 'PUT', 'chat/completions',
              $main::ok);
refused_early(415, 'unsupported_media_type', 'compressed', @post, $main::ok,
              'content-encoding', 'gzip');
refused_early(413, 'request_too_large', 'too large', @post, 'x' x 5000,
              'content-length', '5000');
refused_early(413, 'request_too_large', 'too large without a length', @post,
              'x' x 60_000);
is(stats('a')->{requests}, 0, 'nothing went upstream');



=== TEST 6: and what is left of them disturbs no other stream
--- then
my @r = h2(['POST', 'nope', 'x' x 30_000],
           ['POST', 'chat/completions', $main::ok],
           ['PUT', 'chat/completions', 'y' x 20_000],
           ['POST', 'chat/completions', '{' x 300],
           ['POST', 'chat/completions', $main::ok]);
is(join(' ', map { $_->{status} } @r), '404 200 405 400 200', 'statuses');
like($r[$_]{body}, qr/"usage"/, "request $_ is answered") for 1, 4;



=== TEST 7: headers that only HTTP/2 has, or has in pieces
--- then
my $r = post($main::ok, '-H', 'Cookie: a=secret; b=secret', '-H', 'te: trailers',
             '-H', 'Authorization: Bearer secret', '-H', 'X-Custom: 1');
is($r->{status}, 200, 'status');
my $last = last_of('a');
unlike($json->encode($last), qr/secret|trailers/, 'nothing of it');
my %h = map { lc $_->[0] => $_->[1] } @{ $last->{headers} };
is($h{host}, 'a.test', 'Host');
is($h{'x-custom'}, '1', 'custom header');
is(scalar(grep { /^:/ } keys %h), 0, 'no pseudo-header');



=== TEST 8: bodies in memory
--- limits: client_body_buffer_size 32m;
--- then
for my $n (100, 3000, 65_535, 65_536, 300_000) {
    for my $at ('first', 'last') {
        my $body = file($n, 'm', $at);
        is(post("\@$tmp/upload")->{status}, 200, "$n $at - status");
        arrived('a', $body, "$n $at");
    }
}



=== TEST 9: bodies in a temporary file
--- limits: client_body_buffer_size 8k;
--- then
for my $n (100, 3000, 65_535, 65_536, 300_000) {
    for my $at ('first', 'last') {
        my $body = file($n, 'm', $at);
        is(post("\@$tmp/upload")->{status}, 200, "$n $at - status");
        arrived('a', $body, "$n $at");
    }
}



=== TEST 10: 20 MB in memory
--- limits: client_body_buffer_size 32m;
--- then
my $body = file(20_000_000, 'm', 'last');
is(post("\@$tmp/upload")->{status}, 200, 'status');
arrived('a', $body, '20 MB');



=== TEST 11: 20 MB in a file, model replaced
--- limits: client_body_buffer_size 16k;
--- then
my $body = file(20_000_000, 'two', 'last');
is(post("\@$tmp/upload")->{status}, 200, 'status');
arrived('a', $body =~ s/"two"\}\z/"first-name"}/r, '20 MB');



=== TEST 12: without a length
--- limits: client_body_buffer_size 16k;
--- then
for my $n (20, 3000, 300_000) {
    my $body = file($n, 'm', 'first');
    my $url = "http://127.0.0.1:$ENV{TEST_NGINX_H2_PORT}/v1/chat/completions";
    my $out = `curl -sS --http2-prior-knowledge -m 10 -X POST -T - $url < $tmp/upload`;
    like($out, qr/"usage"/, "$n - answer");
    arrived('a', $body, $n);
}



=== TEST 13: after a failed attempt, in memory and in a file
--- limits: client_body_buffer_size 64k;
--- then
for my $fault ('status=503', 'reset', 'reset_early', 'close') {
    for my $n (100, 30_000, 300_000, 2_000_000) {
        provider_fault('a', $fault);
        my $body = file($n, 'two', 'first');
        my $r = post("\@$tmp/upload");
        is($r->{status}, 200, "$fault $n - status");
        is($r->{headers}{'x-ai-attempts'}, 2, "$fault $n - attempts");
        arrived('b', $body =~ s/"two"/"x"/r, "$fault $n");
    }
}



=== TEST 14: 20 MB in a file after an early reset
--- limits: client_body_buffer_size 16k;
--- then
provider_fault('a', 'reset_early');
my $body = file(20_000_000, 'two', 'first');
my $r = post("\@$tmp/upload");
is($r->{status}, 200, 'status');
arrived('b', $body =~ s/"two"/"x"/r, '20 MB');



=== TEST 15: when all fails
--- then
my $r = post('{"model":"dead"}');
refused($r, 502, 'upstream_error', 'nobody there');
$r = post('{"model":"dead","stream":true}');
refused($r, 502, 'upstream_error', 'nor for a stream');



=== TEST 16: a provider's refusal is passed on
--- then
my $r = post($main::ok, '-H', 'X-Sim: 400');
is($r->{exit}, 0, 'complete');
is($r->{status}, 400, 'status');
like($r->{body}, qr/^\{\s*"error":/, 'body');



=== TEST 17: a stream that breaks ends with an error event, not in silence
--- then
for my $fault ('cut=3', 'cut_mid=3', 'reset_mid=3', 'badchunk=3') {
    my $r = post($main::stream, '-H', "X-Sim: $fault,gap=50");
    is($r->{status}, 200, "$fault - status");
    is($r->{exit}, 0, "$fault - the HTTP/2 stream is closed");
    like($r->{body}, qr/\n\ndata: \{"error":\{.*\}\n\n\z/s, "$fault - event");
    unlike($r->{body}, qr/\[DONE\]|"finish_reason":"/, "$fault - no false end");
}



=== TEST 18: an answer that breaks is no success
--- then
for my $fault ('cut', 'reset_mid', 'cut,chunked') {
    my $r = post($main::ok, '-H', "X-Sim: $fault=1,size=5000"
                                   =~ s/cut,chunked=1/cut=1,chunked/r);
    ok($r->{exit} != 0 || $r->{status} >= 500, "$fault - the client sees it");
}



=== TEST 19: a client that leaves a stream
--- then
my $r = post($main::stream, '-H', 'X-Sim: stall=2', '-m', '0.7');
is($r->{exit}, 28, 'it left');
like($r->{body}, qr/word1/, 'after two words');
ok(wait_for(3, sub { stats('a')->{aborted} == 1 }), 'the provider is left too');
is(post($main::ok)->{status}, 200, 'the next is served');



=== TEST 20: before the first byte
--- then
my $r = post($main::ok, '-H', 'X-Sim: hang', '-m', '0.5');
is($r->{exit}, 28, 'it left');
ok(wait_for(3, sub { stats('a')->{aborted} == 1 }), 'the provider is left too');
is(stats('b')->{requests}, 0, 'no other is tried');



=== TEST 21: in the middle of its body
--- then
file(20_000_000, 'm', 'last');
my $r = post("\@$tmp/upload", '--limit-rate', '1M', '-m', '0.7');
is($r->{exit}, 28, 'it left');
select undef, undef, undef, 0.2;
is(stats('a')->{requests}, 0, 'nothing went upstream');
is(post($main::ok)->{status}, 200, 'the next is served');



=== TEST 22: many at once on one connection
--- then
my @r = h2(map { ['POST', 'chat/completions', $main::stream, 'x-sim',
                  'words=20,gap=5'] } 1 .. 60);
is(scalar(grep { $_->{status} == 200 } @r), 60, 'all answered');
is(scalar(grep { $_->{body} =~ /word19.*\[DONE\]\n\n\z/s } @r), 60,
   'all complete');
is(scalar(grep { defined $_->{rst} } @r), 0, 'none reset');
is(stats('a')->{completed}, 60, 'as the provider saw it');
