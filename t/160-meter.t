# Copyright (C) nginx-ai-route contributors

# Locations with ai_meter: whatever dialect, type, encoding and buffering an
# answer of an ordinary proxy_pass has, it passes byte-exactly and leaves a
# record with its tokens.

use lib 't/lib';
use AIRoute;
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIOwn;

use IO::Compress::Deflate qw(deflate);
use IO::Compress::Gzip qw(gzip);
use Time::HiRes qw(sleep);

my $http = <<'END';
ai_usage file:$TEST_NGINX_TMP/usage.jsonl;
ai_zone ai 1m;
proxy_http_version 1.1;
proxy_cache_path $TEST_NGINX_TMP/cache keys_zone=c:1m;
END

my $accounts = <<'END';
upstream own { server 127.0.0.1:$TEST_NGINX_OWN; }
upstream acc { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=anthropic base=http://own/v1 owner=ml; }
ai_route own { target acc; }
END

my $config = <<'END';
location /plain/ { proxy_pass http://own/; }
location /m/     { proxy_pass http://own/; ai_meter on; }
location /nobuf/ { proxy_pass http://own/; ai_meter on; proxy_buffering off; }
location /acc/   { proxy_pass http://acc/; ai_meter on; }
location /zip/   { proxy_pass http://own/; ai_meter on;
                   gzip on; gzip_types application/json; gzip_min_length 1; }
location /small/ { proxy_pass http://own/; ai_meter on; proxy_buffers 2 4k;
                   proxy_buffer_size 4k; proxy_busy_buffers_size 4k;
                   sendfile on; limit_rate 200k; }
location /store/ { proxy_pass http://own/; ai_meter on;
                   proxy_cache c; proxy_cache_methods POST;
                   proxy_cache_key $request_uri; proxy_cache_valid 200 1m; }
location /off/   { proxy_pass http://own/; ai_meter off; }
END

my $JSON = 'application/json';
my $STREAM = '"stream":true,';

my $chat = '{"id":"x","object":"chat.completion","model":"gpt-x-2024",'
         . '"choices":[{"message":{"role":"assistant","content":"hello"},'
         . '"finish_reason":"stop"}],"usage":{"prompt_tokens":11,'
         . '"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":3},'
         . '"completion_tokens_details":{"reasoning_tokens":2}}}';

sub chunk {
    my ($text, $more) = @_;

    return 'data: {"id":"x","model":"gpt-x-2024","choices":[{"index":0,'
         . '"delta":{"content":"' . $text . '"}}]' . ($more || '') . "}\n\n";
}

my $role = 'data: {"id":"x","model":"gpt-x-2024","choices":[{"index":0,'
         . "\"delta\":{\"role\":\"assistant\"}}]}\n\n";
my $finish = 'data: {"id":"x","model":"gpt-x-2024","choices":[{"index":0,'
           . "\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
my $usage = 'data: {"id":"x","choices":[],"usage":{"prompt_tokens":11,'
          . "\"completion_tokens\":7}}\n\n";
my $done = "data: [DONE]\n\n";

my $stream = $role . join('', map { chunk("word$_ ") } 1 .. 30) . $finish;

sub packed {
    my ($type, $encoding, $body) = @_;

    return "HTTP/1.1 200 OK\r\nContent-Type: $type\r\nConnection: close\r\n"
         . "Content-Encoding: $encoding\r\n"
         . 'Content-Length: ' . length($body) . "\r\n\r\n" . $body;
}

sub zipped { my ($in, $out) = shift; gzip(\$in => \$out); return $out }

# The body in chunks of HTTP/1.1, cut without regard to what is in it.
sub chunked {
    my ($type, $body, $size) = @_;
    my $out = "HTTP/1.1 200 OK\r\nContent-Type: $type\r\nConnection: close\r\n"
            . "Transfer-Encoding: chunked\r\n\r\n";

    while (length $body) {
        my $piece = substr $body, 0, $size, '';
        $out .= sprintf "%x\r\n%s\r\n", length $piece, $piece;
    }
    return $out . "0\r\n\r\n";
}

# Fields of the only record of a request.
sub has {
    my ($r, $what, %want) = @_;
    my @rec = records($r, 1);

    is(scalar @rec, 1, "$what: one record");
    is($rec[0]{$_}, $want{$_}, "$what: $_") for sort keys %want;
    return $rec[0];
}

sub tokens {
    my @n = @_;
    return map { $TOKENS[$_] => $n[$_] } 0 .. $#n;
}

# An answer in pieces of several sizes, through several locations.  "body":
# what the client gets; "size", "path", "more" of the request.
sub metered {
    my ($what, $answer, $want, %o) = @_;
    my $body = exists $o{body} ? delete $o{body}
                               : ($answer =~ /\r\n\r\n(.*)\z/s)[0];
    my $sizes = delete $o{pieces}
                || [[length $answer], [1400], [61, 1, 200, 4096]];
    my $in = delete $o{in} || [qw(m nobuf)];
    my $path = delete $o{path} || 'v1/chat/completions';

    for my $location (@$in) {
        for my $s (@$sizes) {
            own(sub { pieces($_[0], $answer, @$s) });
            my $r = ask_own(%o, path => "/$location/$path");
            my $how = "$what, /$location/, pieces of @$s";

            is("$r->{status} $r->{complete}", '200 1', "$how: status");
            ok($r->{body} eq $body, "$how: byte-exact");
            has($r, $how, usage_source => 'provider', outcome => 'ok',
                %$want);
        }
    }
}

# not every nginx is built with it
my $nginx = $ENV{TEST_NGINX_BINARY} || 'nginx';
my $gunzip = `$nginx -V 2>&1` =~ /http_gunzip_module/;

$config .= "location /gunzip/ { proxy_pass http://own/; ai_meter on; "
         . "gunzip on; }\n" if $gunzip;

check_blocks(http => $http, accounts => $accounts, config => $config,
             perl => sub { eval shift });

no_long_string();
run_tests();

__DATA__

=== TEST 1: a chat, and all that is in its record
--- check
metered('chat', http($JSON, $chat), { tokens(11, 7, 3, 0, 2),
    kind => 'request', key_id => 'anonymous', account => 'own',
    endpoint => 'chat', model_requested => 'own', model_served => 'gpt-x-2024',
    stream => 0, status => 200, attempts => 1, fallback => 'none',
    drill => 0, queue_ms => 0, v => 1,
    map { $_ => undef } qw(class route provider trail error_class cost_owner
                           cost_nanousd attempt app team env) });

my $r = ask_own(path => '/m/v1/chat/completions');
my ($rec) = records($r, 1);
like($rec->{event_id}, qr{^[0-9a-f]{32}/0$}, 'event_id');
like($rec->{latency_ms}, qr/^\d+$/, 'latency');
like($rec->{ttft_ms}, qr/^\d+$/, 'ttft');
cmp_ok(abs($rec->{ts_ms} / 1000 - time), '<', 60, 'ts');

$r = ask_own(path => '/off/v1/chat/completions');
is($r->{status}, 200, 'off: served');
ok(!exists $r->{h}{'x-request-id'}, 'no header of ours');
is(scalar(records(ask_own(path => '/m/v1/responses'), 1)), 1, 'another');
is(scalar(records($r, 0)), 0, 'off: no record');

=== TEST 2: streams with usage
--- check
metered('chat', chunked('text/event-stream', "$stream$usage$done", 50),
  { tokens(11, 7, 0, 0, 0), stream => 1, model_served => 'gpt-x-2024' },
  more => $STREAM . '"stream_options":{"include_usage":true},',
  body => "$stream$usage$done");

metered('a type that is no stream', http('text/plain', "$stream$usage$done"),
  { tokens(11, 7, 0, 0, 0), stream => 1 }, more => $STREAM);

metered('Anthropic', sse("event: message_start\ndata: {\"type\":"
  . '"message_start","message":{"model":"claude-x","usage":{"input_tokens":4,'
  . '"cache_read_input_tokens":1167,"cache_creation_input_tokens":10,'
  . "\"output_tokens\":1}}}\n\nevent: content_block_delta\ndata: "
  . '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta",'
  . "\"text\":\"hello\"}}\n\nevent: message_delta\ndata: {\"type\":"
  . '"message_delta","delta":{"stop_reason":"end_turn"},"usage":'
  . "{\"output_tokens\":39}}\n\nevent: message_stop\ndata: {\"type\":"
  . "\"message_stop\"}\n\n"),
  { tokens(1181, 39, 1167, 10, 0), endpoint => 'messages', stream => 1,
    account => 'acc', provider => 'anthropic', cost_owner => 'ml',
    model_served => 'claude-x' },
  more => $STREAM, in => ['acc'], path => 'v1/messages');

metered('Gemini', sse('data: {"candidates":[{"content":{"parts":[{"text":"a"}'
  . ']}}],"usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":1},'
  . '"modelVersion":"gemini-x-001"}' . "\n\n"
  . 'data: {"candidates":[{"content":{"parts":[{"text":"b"}]},"finishReason":'
  . '"STOP"}],"usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":12'
  . ',"thoughtsTokenCount":5},"modelVersion":"gemini-x-001"}' . "\n\n"),
  { tokens(8, 17, 0, 0, 5), stream => 1, model_requested => 'gemini-x',
    model_served => 'gemini-x-001', endpoint => undef },
  path => 'v1beta/models/gemini-x:streamGenerateContent?alt=sse',
  method => 'PUT', model => '');

metered('Responses', sse("event: response.created\ndata: {\"type\":"
  . '"response.created","response":{"instructions":"' . 'x' x 9000
  . "\",\"model\":\"gpt-x\"}}\n\nevent: response.output_text.delta\ndata: "
  . "{\"type\":\"response.output_text.delta\",\"delta\":\"hi\"}\n\n"
  . "event: response.completed\ndata: {\"type\":\"response.completed\","
  . '"response":{"model":"gpt-x","usage":{"input_tokens":5,"output_tokens":9}}}'
  . "\n\n"),
  { tokens(5, 9), endpoint => 'responses', model_served => 'gpt-x' },
  more => $STREAM, path => 'v1/responses');

metered('Ollama', http('application/x-ndjson', join "\n",
  (map { "{\"model\":\"llama3\",\"response\":\"w$_\",\"done\":false}" } 1 .. 9),
  '{"model":"llama3","response":"","done":true,"prompt_eval_count":26,'
  . '"eval_count":9}', ''),
  { tokens(26, 9, 0, 0, 0), model_served => 'llama3' }, path => 'api/generate');

=== TEST 3: streams without it are estimated and marked
--- check
metered('a stream', sse("$stream$done"),
  { usage_source => 'estimated', output_tokens => 49, stream => 1,
    input_tokens => 10 }, more => $STREAM);

metered('an answer', http($JSON, '{"choices":[{"message":{"content":"'
  . 'abcd' x 10 . '"}}]}'),
  { usage_source => 'estimated', output_tokens => 10, input_tokens => 7 });

=== TEST 4: packed answers are unpacked for it, and pass packed
--- check
my $sizes = [[100000], [7]];

metered('gzip', packed($JSON, 'gzip', zipped($chat)),
  { tokens(11, 7, 3, 0, 2), model_served => 'gpt-x-2024' }, pieces => $sizes);

deflate(\$chat => \my $deflated);
metered('deflate', packed($JSON, 'deflate', $deflated),
  { tokens(11, 7, 3, 0, 2) }, pieces => $sizes, in => ['m']);

metered('a stream', packed('text/event-stream', 'x-gzip',
                           zipped("$stream$usage$done")),
  { tokens(11, 7, 0, 0, 0), stream => 1 }, pieces => $sizes, more => $STREAM);

metered('two members', packed($JSON, 'gzip', zipped(substr $chat, 0, 100)
                                             . zipped(substr $chat, 100)),
  { tokens(11, 7, 3, 0, 2) }, pieces => $sizes, in => ['m']);

metered('what follows it', packed($JSON, 'gzip', zipped($chat) . 'x' x 300),
  { tokens(11, 7, 3, 0, 2) }, pieces => $sizes, in => ['m']);

my $long = '{"usage":{"prompt_tokens":11,"completion_tokens":7},"choices":['
         . '{"message":{"content":"' . join(' ', map { $_ * 7919 % 65521 }
                                            1 .. 50000) . '"}}]}';
metered('a long one', packed($JSON, 'gzip', zipped($long)),
  { tokens(11, 7, 0, 0, 0) }, pieces => [[65536], [1000]], in => ['m']);

=== TEST 5: nginx packs and unpacks after it
--- check
metered('packed by nginx', http($JSON, $chat), { tokens(11, 7, 3, 0, 2) },
  in => ['zip']);

metered('unpacked by nginx', packed($JSON, 'gzip', zipped($chat)),
  { tokens(11, 7, 3, 0, 2) }, in => ['gunzip'], body => $chat)
    if $gunzip;

own(sub { pieces($_[0], http($JSON, $chat), 1000) });
my $r = ask_own(path => '/zip/v1/chat/completions',
                head => "Accept-Encoding: gzip\r\n");
is($r->{h}{'content-encoding'}, 'gzip', 'the client got it packed');
has($r, 'packed for the client', tokens(11, 7));

=== TEST 6: what cannot be unpacked is said once
--- check
for my $n (1, 2) {
    own(sub { pieces($_[0], packed($JSON, 'br', 'not really'), 1000) });
    my $r = ask_own(path => '/m/v1/chat/completions');
    is("$r->{status} $r->{body}", '200 not really', "br $n: passes");
    has($r, "br $n", usage_source => 'none', outcome => 'ok',
        input_tokens => undef, model_requested => 'own');

    own(sub { pieces($_[0], packed($JSON, 'gzip', "\x1f\x8bnot really"), 9) });
    $r = ask_own(path => '/m/v1/chat/completions');
    is("$r->{status} $r->{body}", "200 \x1f\x8bnot really",
       "broken $n: passes");
    has($r, "broken $n", usage_source => 'none', outcome => 'ok');
}

my $log = slurp("$ENV{TEST_NGINX_SERVROOT}/logs/error.log");
is(scalar(() = $log =~ /does not read an answer in the encoding "br"/g), 1,
   'br: once');
is(scalar(() = $log =~ /ai meter cannot unpack an answer/g), 1, 'broken: once');

=== TEST 7: an answer that expands without end does not
--- check
my $bomb = zipped('{"choices":[' . ' ' x 40_000_000);

own(sub { pieces($_[0], packed($JSON, 'gzip', $bomb), 65536) });
my $r = ask_own(path => '/m/v1/chat/completions');
is("$r->{status} $r->{complete}", '200 1', 'it passes');
ok($r->{body} eq $bomb, 'byte-exact');
has($r, 'expanding', usage_source => 'none', outcome => 'ok');
like(slurp("$ENV{TEST_NGINX_SERVROOT}/logs/error.log"),
     qr/stopped to unpack an answer, \d+ bytes of it are more than [12]\d{6} /,
     'it was stopped early');

=== TEST 8: what nginx keeps in a file
--- check
my $long = '{"model":"gpt-x","choices":[{"message":{"content":"'
         . join(' ', map { $_ * 7919 % 65521 } 1 .. 100000)
         . '"}}],"usage":{"prompt_tokens":11,"completion_tokens":7}}';

for my $body ($long, zipped($long)) {
    my $answer = $body eq $long ? http($JSON, $body)
                                : packed($JSON, 'gzip', $body);
    own(sub { pieces($_[0], $answer, 65536) });
    my $r = ask_own(path => '/small/v1/chat/completions');
    is("$r->{status} $r->{complete}", '200 1', 'served');
    ok($r->{body} eq $body, 'byte-exact');
    has($r, 'a file', tokens(11, 7, 0, 0, 0), usage_source => 'provider',
        model_served => 'gpt-x', outcome => 'ok');
}

my $log = slurp("$ENV{TEST_NGINX_SERVROOT}/logs/error.log");
is(scalar(() = $log =~ /response is buffered to a temporary file/g), 2,
   'both were in a file');

=== TEST 9: nothing is used for what is in the cache
--- check
own(sub { pieces($_[0], http($JSON, $chat), 100) });
my $r = ask_own(path => '/store/v1/chat/completions');
is($r->{body}, $chat, 'a miss');
has($r, 'a miss', tokens(11, 7, 3, 0, 2), attempts => 1);

own(sub { pieces($_[0], http($JSON, '{"another":"one"}'), 100) });
$r = ask_own(path => '/store/v1/chat/completions');
is($r->{body}, $chat, 'a hit');
has($r, 'a hit', usage_source => 'none', outcome => 'ok', status => 200,
    attempts => 0, account => 'own', model_requested => 'own',
    model_served => undef, input_tokens => undef, cost_nanousd => undef);

=== TEST 10: beside ai_pass
--- check
own(sub { pieces($_[0], http($JSON, $chat), 100) });
my $r = ask_own(path => '/v1/chat/completions');
is($r->{body}, $chat, 'ai_pass');
has($r, 'ai_pass', tokens(11, 7, 3, 0, 2), class => 'default',
    account => 'acc', route => 'own', model_served => 'own');
like($r->{h}{'x-request-id'}, qr/./, 'a header of ours');

$r = ask_own(path => '/acc/v1/chat/completions');
has($r, 'ai_meter', tokens(11, 7, 3, 0, 2), class => undef,
    account => 'acc', route => undef, model_served => 'gpt-x-2024');

=== TEST 11: the same bytes and headers as without
--- check
for my $answer (http($JSON, $chat), sse("$stream$usage$done"),
                chunked('text/event-stream', "$stream$done", 33),
                packed($JSON, 'gzip', zipped($chat)),
                http($JSON, ''), http('text/html', '<p>'))
{
    own(sub { pieces($_[0], $answer, 77) });
    my @r = map { ask_own(path => "/$_/v1/x", more => $STREAM) } qw(plain m);
    my ($plain, $m) = map {
        delete $_->{h}{date};
        join "\n", $_->{status}, $_->{complete}, $_->{body},
             map { "$_: $r[0]{h}{$_}" } sort keys %{ $_->{h} }
    } @r;
    ok($plain eq $m, 'the same') or diag("$plain\n---\n$m");
    is($r[1]{complete}, 1, 'complete');
}
