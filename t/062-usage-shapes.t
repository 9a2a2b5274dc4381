# Copyright (C) nginx-ai-route contributors

# The tokens of every dialect in the records, from whole answers and from
# streams, whatever pieces they come in; the client gets the provider's bytes.

use lib 't/lib';
use AIRoute;
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIOwn;

my $STREAM = '"stream":true,';

my $http = <<'END';
ai_usage file:$TEST_NGINX_TMP/usage.jsonl;
ai_zone ai 1m;
ai_class default { retry_same off; max_wait off; }
ai_breaker failures=0 rate=100;
upstream own { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=compatible base=http://own/v1; }
ai_route own { target own; }
END

check_blocks(http => $http, perl => sub { eval shift });


# One answer in several pieces; WANT: input, output, cache read and written,
# reasoning; undef: no tokens, but figures of the provider's.  "cost": what it
# says that it bills, in nanodollars.
sub is_counted {
    my ($what, $answer, $want, %o) = @_;
    my ($body) = $answer =~ /\r\n\r\n(.*)\z/s;

    for my $sizes ([length $answer], [1400], [61, 1, 200, 4096]) {
        own(sub { pieces($_[0], $answer, @$sizes) });
        my $r = ask_own(%o);
        my $how = "$what, pieces of @$sizes";

        is($r->{status}, 200, "$how: status");
        ok($r->{body} eq $body, "$how: byte-exact") or diag($r->{body});

        my ($rec) = records($r, 1);
        is($rec->{usage_source}, 'provider', "$how: source");
        is($rec->{outcome}, 'ok', "$how: outcome");
        is(join('/', map { defined $rec->{$_} ? $rec->{$_} : '-' }
                @TOKENS),
           $want ? join('/', @$want) : '-/-/-/-/-', "$how: tokens");
        is($rec->{cost_nanousd}, $o{cost}, "$how: cost");
    }
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: whole answers
--- check
my $json = 'application/json';

is_counted('Anthropic', http($json, '{"type":"message","content":[{"type":'
  . '"text","text":"abc"}],"usage":{"input_tokens":4,'
  . '"cache_creation_input_tokens":379,"cache_read_input_tokens":14714,'
  . '"cache_creation":{"ephemeral_5m_input_tokens":379,'
  . '"ephemeral_1h_input_tokens":0},"output_tokens":290,'
  . '"output_tokens_details":{"thinking_tokens":19}}}'),
  [15097, 290, 14714, 379, 19], path => '/v1/messages');

is_counted('Gemini', http($json, '{"candidates":[{"content":{"parts":[{"text":'
  . '"abc"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":'
  . '9613,"candidatesTokenCount":33,"totalTokenCount":9685,'
  . '"cachedContentTokenCount":9602,"promptTokensDetails":[{"modality":'
  . '"TEXT","tokenCount":9613}],"thoughtsTokenCount":39}}'),
  [9613, 72, 9602, 0, 39]);

is_counted('Responses', http($json, '{"object":"response","output":[],'
  . '"usage":{"input_tokens":1586,"input_tokens_details":{"cached_tokens":'
  . '1536},"output_tokens":393,"output_tokens_details":{"reasoning_tokens":'
  . '320},"total_tokens":1979}}'),
  [1586, 393, 1536, 0, 320], path => '/v1/responses');

is_counted('embeddings', http($json, '{"object":"list","data":[{"embedding":['
  . join(',', (0.001) x 3000) . ']}],"usage":{"prompt_tokens":5,'
  . '"total_tokens":5}}'),
  [5, 0, 0, 0, 0], path => '/v1/embeddings');

is_counted('an image', http($json, '{"created":1,"data":[{"b64_json":"'
  . 'A' x 200000 . '"}],"usage":{"input_tokens":14,"input_tokens_details":{'
  . '"text_tokens":14,"image_tokens":0},"output_tokens":4160,'
  . '"total_tokens":4174}}'),
  [14, 4160, 0, 0, 0], path => '/v1/images/generations');

is_counted('a long one, usage first', http($json, '{"usage":{"prompt_tokens":'
  . '7,"completion_tokens":9},"choices":[{"message":{"content":"'
  . 'abcd' x 50000 . '"}}]}'),
  [7, 9, 0, 0, 0]);

is_counted('xAI', http($json, '{"choices":[{"message":{"content":"a"}}],'
  . '"usage":{"prompt_tokens":12,"completion_tokens":1,"total_tokens":241,'
  . '"prompt_tokens_details":{"cached_tokens":2},'
  . '"completion_tokens_details":{"reasoning_tokens":228},'
  . '"cost_in_usd_ticks":1176500}}'),
  [12, 229, 2, 0, 228], cost => 117650);

is_counted('OpenRouter', http($json, '{"choices":[{"message":{"content":"a"}}]'
  . ',"usage":{"prompt_tokens":687,"completion_tokens":187,"total_tokens":874,'
  . '"cost":0.00333825,"is_byok":false,"prompt_tokens_details":{'
  . '"cached_tokens":679},"cost_details":{"upstream_inference_cost":null},'
  . '"completion_tokens_details":{"reasoning_tokens":118}}}'),
  [687, 187, 679, 0, 118], cost => 3338250);

is_counted('Bedrock', http($json, '{"output":{"message":{"content":[{"text":'
  . '"a"}]}},"usage":{"inputTokens":3,"outputTokens":61,'
  . '"cacheReadInputTokens":2074,"cacheWriteInputTokens":297,'
  . '"totalTokens":2435,"serverToolUsage":{}}}'),
  [2374, 61, 2074, 297, 0]);

is_counted('Cohere', http($json, '{"message":{"content":[{"text":"a"}]},'
  . '"usage":{"billed_units":{"input_tokens":8,"output_tokens":8},"tokens":{'
  . '"input_tokens":503,"output_tokens":11},"cached_tokens":448}}'),
  [503, 11, 448, 0, 0]);

is_counted('Cohere, in floats', http($json, '{"message":{"content":[{"text":'
  . '"a"}]},"usage":{"billed_units":{"input_tokens":8.0,"output_tokens":8.0},'
  . '"tokens":{"input_tokens":503.0,"output_tokens":1.1e1}}}'),
  [503, 11, 0, 0, 0]);

is_counted('floats', http($json, '{"choices":[{"message":{"content":"a"}}],'
  . '"usage":{"prompt_tokens":12.0,"completion_tokens":3.9,'
  . '"total_tokens":15.9}}'),
  [12, 3, 0, 0, 0]);

is_counted('Ollama', http($json, '{"message":{"role":"assistant","content":'
  . '"a"},"done":true,"prompt_eval_count":17,"eval_count":63}'),
  [17, 63, 0, 0, 0]);

is_counted('zeros', http($json, '{"choices":[{"message":{"content":"abcd"}}],'
  . '"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}'),
  [0, 0, 0, 0, 0]);

is_counted('searches', http($json, '{"results":[],"meta":{"billed_units":{'
  . '"search_units":1}}}'), undef, path => '/v1/rerank');



=== TEST 2: streams
--- check
is_counted('Anthropic', sse(
    'event: message_start' . "\n" . 'data: {"type":"message_start","message":'
  . '{"content":[],"usage":{"input_tokens":4,"cache_creation_input_tokens":'
  . '10,"cache_read_input_tokens":1167,"output_tokens":1}}}' . "\n\n"
  . 'event: ping' . "\n" . 'data: {"type":"ping"}' . "\n\n"
  . ('event: content_block_delta' . "\n" . 'data: {"type":'
     . '"content_block_delta","index":0,"delta":{"type":"text_delta","text":'
     . '"abcd"}}' . "\n\n") x 30
  . 'event: message_delta' . "\n" . 'data: {"type":"message_delta","delta":{'
  . '"stop_reason":"end_turn"},"usage":{"output_tokens":256}}' . "\n\n"
  . 'event: message_stop' . "\n" . 'data: {"type":"message_stop"}' . "\n\n"),
  [1181, 256, 1167, 10, 0], path => '/v1/messages', more => $STREAM);

is_counted('Gemini', sse(join '', map {
    'data: {"candidates":[{"content":{"parts":[{"text":"abcd"}]}'
  . ($_ == 5 ? ',"finishReason":"STOP"' : '') . '}],"usageMetadata":{'
  . '"promptTokenCount":8,"candidatesTokenCount":' . $_
  . ',"thoughtsTokenCount":21,"totalTokenCount":' . (29 + $_)
  . ',"promptTokensDetails":[{"modality":"TEXT","tokenCount":8}]}}'
  . "\r\n\r\n" } 1 .. 5),
  [8, 26, 0, 0, 21], path => '/v1/messages', more => $STREAM);

is_counted('Responses', sse(
    'event: response.created' . "\n" . 'data: {"type":"response.created",'
  . '"response":{"usage":null}}' . "\n\n"
  . ('event: response.output_text.delta' . "\n" . 'data: {"type":'
     . '"response.output_text.delta","delta":"abcd"}' . "\n\n") x 20
  . 'event: response.completed' . "\n" . 'data: {"type":'
  . '"response.completed","response":{"output":[{"text":"'
  . 'abcd' x 5000 . '"}],"usage":{"input_tokens":9463,'
  . '"input_tokens_details":{"cached_tokens":8320},"output_tokens":582,'
  . '"output_tokens_details":{"reasoning_tokens":512},"total_tokens":10045},'
  . '"metadata":{"x":"' . 'y' x 8000 . '"}}}' . "\n\n"),
  [9463, 582, 8320, 0, 512], path => '/v1/responses', more => $STREAM);

my $ASK = '"stream_options":{"include_usage":true},';
my $chunk = sub {
    return 'data: {"id":"c","choices":[{"index":0,"delta":{"content":"abcd"},'
         . '"finish_reason":' . $_[0] . '}]' . $_[1] . "}\n\n";
};

is_counted('Mistral', sse($chunk->('null', '') x 3
  . $chunk->('"stop"', ',"usage":{"prompt_tokens":22,"total_tokens":30,'
             . '"completion_tokens":8,"prompt_tokens_details":{'
             . '"cached_tokens":16}}') . "data: [DONE]\n\n"),
  [22, 8, 16, 0, 0], more => $STREAM . $ASK);

is_counted('Groq', sse($chunk->('null', '') x 3
  . $chunk->('"stop"', ',"x_groq":{"id":"r","usage":{"prompt_tokens":339,'
             . '"completion_tokens":58}},"usage":{"prompt_tokens":339,'
             . '"prompt_time":0.01,"completion_tokens":58}')
  . "data: [DONE]\n\n"),
  [339, 58, 0, 0, 0], more => $STREAM . $ASK);

is_counted('vLLM, continuous', sse(join('', map {
    $chunk->('null', ',"usage":{"prompt_tokens":43,"total_tokens":'
             . (43 + $_) . ',"completion_tokens":' . $_ . '}') } 1 .. 9)
  . 'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":'
  . '"length"}]}' . "\n\ndata: [DONE]\n\n"),
  [43, 9, 0, 0, 0], more => $STREAM . $ASK);

is_counted('Cohere', sse(
    ('event: content-delta' . "\n" . 'data: {"type":"content-delta","delta":'
     . '{"message":{"content":{"text":"abcd"}}}}' . "\n\n") x 9
  . 'event: message-end' . "\n" . 'data: {"type":"message-end","delta":{'
  . '"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":68},'
  . '"tokens":{"input_tokens":1591,"output_tokens":38},"cached_tokens":992}}}'
  . "\n\ndata: [DONE]\n\n"),
  [1591, 38, 992, 0, 0], more => $STREAM . $ASK);



=== TEST 3: the chunk that only the gateway asked for
# Azure begins with a chunk of empty choices; a client that says no, or nothing,
# gets neither the chunk nor a way around being counted.
--- check
my $text = sub {
    return 'data: {"id":"c","choices":[{"index":0,"delta":{"content":"'
         . "$_[0]\"},\"finish_reason\":null}],\"usage\":null}\n\n";
};
my @events = (
    'data: {"choices":[],"model":"","prompt_filter_results":[{}]}' . "\n\n",
    ": comment\n\n",
    'data: {"choices":[],"usage":null}' . "\n\n",
    $text->('a'), $text->('"choices\":[],\"usage\":{\"'),
    'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],'
    . '"usage":null}' . "\n\n",
    'data: {"choices": [ ],"usage": {"prompt_tokens":12,'
    . '"completion_tokens":5},"obfuscation":"t9"}' . "\n\n",
    'data: {"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":5}}'
    . "\n\n",
    "data: [DONE]\n\n");
my $answer = sse(join '', @events);
my $want = join '', @events[0 .. 5, 7, 8];

for (['nothing', '', qr/^\{"stream_options":\{"include_usage":true\},/],
     ['no', '"stream_options":{"include_usage":false},',
      qr/"stream_options":\{"include_usage":true\},/],
     ['null', '"stream_options":null,',
      qr/"stream_options":\{"include_usage":true\},/],
     ['another option',
      '"stream_options":{"include_obfuscation":false},',
      qr/"stream_options":\{"include_usage":true,"include_obfuscation":false\}/
     ],
     ['no, among others', '"stream_options":{"x":{"include_usage":false},'
      . '"include_usage": false ,"y":1},',
      qr/"stream_options":\{"x":\{"include_usage":false\},"include_usage": true ,"y":1\}/
     ])
{
    my ($what, $more, $sent) = @$_;

    for my $sizes ([length $answer], [1], [97, 3]) {
        own(sub { pieces($_[0], $answer, @$sizes) });
        my $r = ask_own(more => $STREAM . $more);
        my ($body) = last_request() =~ /\r\n\r\n(.*)\z/s;

        like($body, $sent, "$what: asked for");
        is(() = $body =~ /"stream_options"/g, 1, "$what: once");
        is($r->{body}, $want, "$what, pieces of @$sizes: without the chunk");

        my ($rec) = records($r, 1);
        is("$rec->{input_tokens}/$rec->{output_tokens} $rec->{usage_source}",
           '12/5 provider', "$what: counted");
    }
}

own(sub { pieces($_[0], $answer, 500) });
my $r = ask_own(more => $STREAM . '"stream_options":{"include_usage":true},');
is($r->{body}, join('', @events), 'asked for: all of it');
