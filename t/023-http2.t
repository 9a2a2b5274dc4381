# Copyright (C) nginx-ai-route contributors

# Clients that speak HTTP/2 (h2c, with curl): answers, streams, refusals,
# large bodies with and without a length, clients that leave.
#
# "then" is Perl, run while nginx is up.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';

use Digest::SHA ();
use JSON::PP ();
use Time::HiRes ();

my $json = JSON::PP->new->utf8;
my $tmp = tmp_dir();
our ($ok, $stream) = ('{"model":"m","messages":[]}',
                      '{"model":"m","stream":true}');

BEGIN { $ENV{TEST_NGINX_H2_PORT} = free_port() }

our $base = <<'END';
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
sub stats { return $json->decode(provider_get($_[0], '/__stats')) }

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
refused(curl('nope', '-d', $main::ok), 404, 'not_found', 'unknown path');
refused(curl('chat/completions'), 405, 'method_not_allowed', 'GET');
refused(post('x', '-H', 'Content-Encoding: gzip'), 415,
        'unsupported_media_type', 'compressed');
refused(post('x' x 5000), 413, 'request_too_large', 'too large');
refused(curl('chat/completions', '-X', 'POST'), 400, 'invalid_request_error',
        'no body');
is(curl('chat/completions')->{headers}{allow}, 'POST', 'Allow');

my $r = curl('chat/completions', '-I');
is($r->{status}, 405, 'HEAD - status');
is($r->{body} =~ /\{/ ? 1 : 0, 0, 'HEAD - no body');
is(stats('a')->{requests}, 0, 'nothing went upstream');



=== TEST 5: too large without a length, and a refusal before a large body
--- limits: client_max_body_size 1k;
--- then
my $body = file(200_000, 'm', 'first');
my $url = "http://127.0.0.1:$ENV{TEST_NGINX_H2_PORT}/v1/chat/completions";
my $out = `curl -sS --http2-prior-knowledge -m 10 -X POST -T - $url < $tmp/upload 2>/dev/null`;
like($out, qr/"code":"request_too_large"/, 'no length');

refused(curl('nope', '--data-binary', "\@$tmp/upload"), 413,
        'request_too_large', 'unknown path, too large');
is(stats('a')->{requests}, 0, 'nothing went upstream');



=== TEST 6: a large body to an unknown path
--- then
file(5_000_000, 'm', 'first');
refused(curl('nope', '--data-binary', "\@$tmp/upload"), 404, 'not_found',
        'unknown path');
refused(curl('chat/completions', '-X', 'PUT', '--data-binary',
             "\@$tmp/upload"), 405, 'method_not_allowed', 'PUT');
is(post($main::ok)->{status}, 200, 'the next is served');



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
    my $r = post($main::stream, '-H', "X-Sim: $fault");
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
my $url = "http://127.0.0.1:$ENV{TEST_NGINX_H2_PORT}/v1/chat/completions";
my @each = map { ('-o', "$tmp/many.$_", $url) } 1 .. 60;
open my $fh, '-|', 'curl', '-sS', '--http2-prior-knowledge', '-m', 20, '-Z',
     '--parallel-max', 60, '-d', $main::stream, '-H', 'X-Sim: words=20,gap=5',
     '-w', '%{http_code} ', @each or die "curl: $!\n";
my $codes = do { local $/; <$fh> };
close $fh;
is($codes, '200 ' x 60, 'all answered');
is(scalar(grep { slurp("$tmp/many.$_") =~ /word19.*\[DONE\]\n\n\z/s } 1 .. 60),
   60, 'all complete');
is(stats('a')->{completed}, 60, 'as the provider saw it');
