# Copyright (C) nginx-ai-route contributors

# What costs by another unit than a token: characters, images, seconds, search
# units; the provider's service tier; what has no price is counted, not free.

use lib 't/lib';
use AIRoute providers => [qw(a)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AILog;
use AIOwn;

my $tmp = tmp_dir();

open my $fh, '>', "$tmp/prices.json" or die "$tmp/prices.json: $!\n";
print $fh <<'END';
{"tts": {"input_cost_per_character": 1.5e-05, "mode": "audio_speech"},
 "dall-e": {"input_cost_per_image": 0.04},
 "imagen": {"output_cost_per_image": 0.06},
 "twice": {"input_cost_per_image": 0.001, "output_cost_per_image": 0.02},
 "gpt-image": {"input_cost_per_token": 5e-06,
     "output_cost_per_image_token": 4e-05},
 "both": {"input_cost_per_token": 2e-06, "output_cost_per_token": 1.2e-05,
     "output_cost_per_image_token": 0.00012, "output_cost_per_image": 0.134},
 "pixels": {"input_cost_per_pixel": 4e-08, "output_cost_per_token": 0},
 "mini-tts": {"input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05,
     "output_cost_per_second": 0.00025},
 "whisper": {"input_cost_per_second": 0.0001, "output_cost_per_second": 0.0001},
 "groq-whisper": {"input_cost_per_second": 3.083e-05,
     "output_cost_per_second": 0},
 "rerank": {"input_cost_per_query": 0.002, "input_cost_per_token": 0,
     "output_cost_per_token": 0},
 "rerank-tokens": {"input_cost_per_token": 1e-06, "output_cost_per_token": 0},
 "embed": {"input_cost_per_character": 2.5e-08},
 "free": {"input_cost_per_token": 0, "output_cost_per_token": 0},
 "free-but": {"input_cost_per_token": 0, "output_cost_per_token": 0,
     "input_cost_per_request": 0.003},
 "tiers": {"input_cost_per_token": 2e-06, "output_cost_per_token": 4e-06,
     "input_cost_per_token_flex": 1e-06, "output_cost_per_token_flex": 2e-06,
     "input_cost_per_token_priority": 3e-06,
     "output_cost_per_token_priority": 6e-06,
     "input_cost_per_token_batches": 5e-07,
     "output_cost_per_token_batches": 7e-07},
 "search": {"tiered_pricing": [{"input_cost_per_query": 0.005,
     "max_results_range": [0, 25]}]}}
END
close $fh;

my $http = ai_log() . <<'END';
ai_usage file:$TEST_NGINX_TMP/usage.jsonl;
ai_zone ai 1m;
ai_prices $TEST_NGINX_TMP/prices.json;
ai_class default { retry_same off; max_wait off; }
ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a/v1;
    ai_price by-hand character=0.00002 image=0.5 second=0.25 query=0.125;
    ai_price by-request input=0 output=0 request=0.01;
    ai_price summed input=1 output=1 image=0.000001 request=0.003; }
upstream own { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=compatible base=http://own/v1; }
upstream stt { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=openai base=http://stt/v1;
    ai_price * second=0.0001; }
ai_route stt { target stt; }
ai_route whisper { target own; }
ai_route groq-whisper { target own; }
ai_route own { target own; }
ai_route stranger { target own; }
ai_route * { target a; }
END

check_blocks(http => $http, reset => ['a'], perl => sub { eval shift },
             config => 'location /m/ { proxy_pass http://own/; ai_meter on; }'
                       . 'location /stt/ { proxy_pass http://stt/; '
                       . 'ai_meter on; }');

my %path = (speech => 'audio/speech', images => 'images/generations',
            embeddings => 'embeddings', moderations => 'moderations',
            rerank => 'rerank', chat => 'chat/completions',
            messages => 'messages', responses => 'responses');

# its source, nanodollars and input tokens; what is not there is "-"
sub told {
    my ($r) = @_;
    my ($rec) = records($r, 1);

    return join ' ', map { defined $_ ? $_ : '-' }
                         @{$rec}{qw(usage_source cost_nanousd input_tokens)};
}

sub used {
    my ($endpoint, $model, $more, %o) = @_;

    return told(ask(path => "/v1/$path{$endpoint}",
                    head => $o{sim} ? "X-Sim: $o{sim}\r\n" : '',
                    body => qq({"model":"$model"$more})));
}

sub costs {
    my ($endpoint, $model, $more, $want, $what, %o) = @_;

    is(used($endpoint, $model, $more, %o), $want, "$model: $what");
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: a speech, by the characters of its input
--- check
costs('speech', 'tts', ',"input":"Hello","voice":"a"', 'estimated 75000 -',
      'five');
costs('speech', 'tts', ',"input":"a\u00e9\ud83d\ude00\n\"","x":"abc"',
      'estimated 75000 -', 'escapes are one each, a pair of surrogates too');
costs('speech', 'tts', ",\"input\":\"a\xc3\xa9\xe4\xb8\x96\xf0\x9f\x98\x80.\"",
      'estimated 75000 -', 'of any number of bytes');
costs('speech', 'tts', ',"input":"' . 'wxyz\u00e9' x 20000 . '"',
      'estimated 1500000000 -', 'a hundred thousand, in many pieces');
costs('speech', 'by-hand', ',"input":"Hello"', 'estimated 100000 -',
      'ai_price');
costs('speech', 'free', ',"input":"Hello"', 'estimated 0 -', 'free is known');
costs('speech', 'free-but', ',"input":"Hello"', 'estimated 3000000 -',
      'a price per request');
costs('speech', 'tts', ',"input":["Hello"]', 'none - -', 'no text');
costs('speech', 'tts', ',"input":"Hello"', 'none - -', 'an error',
      sim => '400');



=== TEST 2: images, as many as there are
--- check
my $off = 'usage=off,words=2';

costs('images', 'dall-e', '', 'provider 40000000 -', 'one', sim => $off);
costs('images', 'dall-e', ',"n":3', 'provider 120000000 -', 'three',
      sim => $off);
costs('images', 'imagen', ',"n":2', 'provider 120000000 -', 'the other name',
      sim => $off);
costs('images', 'twice', '', 'provider 20000000 -', 'both names, once',
      sim => $off);
costs('images', 'by-hand', '', 'provider 500000000 -', 'ai_price',
      sim => $off);
costs('images', 'dall-e', ',"n":2', 'provider 80000000 -',
      'larger than a buffer', sim => 'usage=off,size=200000');
costs('images', 'dall-e', ',"n":4', 'estimated 160000000 -',
      'an answer that nobody can read', sim => "$off,content_type=image/png");
costs('images', 'pixels', '', 'provider - -', 'by the pixel', sim => $off);
costs('images', 'tiers', '', 'provider - -', 'tokens that nobody told',
      sim => $off);



=== TEST 3: images in tokens
--- check
costs('images', 'gpt-image', '', 'provider 40050000 10',
      'all output is images: 10 * 5000 + 1000 * 40000',
      sim => 'prompt=10,words=1000');
costs('images', 'both', '', 'provider 134420000 10',
      'the dearer is that in tokens', sim => 'prompt=10,words=1120');
costs('images', 'both', ',"n":2', 'provider 268000000 10',
      'the dearer is that of images', sim => 'prompt=10,words=1120');
costs('images', 'both', '', 'provider 134000000 -', 'only images are known',
      sim => 'usage=off');
costs('images', 'summed', '', 'provider 3020000 10',
      'a request comes on top: 20 * 1000 + 3000000',
      sim => 'prompt=10,words=10');



=== TEST 4: an answer that says how many it has is not asked for "n"
--- check
my @args = (path => '/v1/images/generations',
            body => '{"model":"own","n":3}');
my $json = 'application/json';

own(sub { pieces($_[0], http($json, '{"data":[{"url":"[1,2]"},{"url":"{"}]}'),
                 7) });
is(told(ask(@args)), 'provider 80000000 -', 'two of three');

own(sub { pieces($_[0], http($json, '{"created":1,"data":[ ]}'), 9) });
like(told(ask(@args)), qr/ - \d+$/, 'none, and no bill for it');
--- accounts
ai_price own image=0.04;



=== TEST 5: seconds of audio
--- check
# any endpoint that tells them: that of transcriptions is not served
my $json = 'application/json';
my %own = (path => '/v1/chat/completions', body => '{"model":"whisper"}');

own(sub { pieces($_[0], http($json,
    '{"text":"a","usage":{"type":"duration","seconds":61}}'), 11) });
is(told(ask(%own)), 'provider 6100000 -', 'in its usage');

own(sub { pieces($_[0], http($json,
    '{"text":"a","usage":{"type":"duration","seconds":60.5}}'), 11) });
is(told(ask(%own)), 'provider 6100000 -', 'a second that has begun');

own(sub { pieces($_[0], http($json,
    '{"duration":8.47,"text":"abc","segments":[]}'), 11) });
is(told(ask(%own)), 'provider 900000 -', 'its length, begun ones whole');

is(told(ask(%own, body => '{"model":"groq-whisper"}')), 'provider 277470 -',
   'and a zero for the other price');
is(told(ask(%own, body => '{"model":"own"}')), 'provider 2250000000 -',
   'ai_price');
is(told(ask(%own, body => '{"model":"stranger"}')), 'provider - -', 'none');

own(sub { pieces($_[0], http($json, '{"text":"ab","usage":{"type":"tokens",'
    . '"input_tokens":14,"output_tokens":101,"total_tokens":115}}'), 11) });
is(told(ask(%own)), 'provider - 14', 'tokens, where seconds have a price');
--- accounts
ai_price own second=0.25;



=== TEST 6: searches
--- check
costs('rerank', 'rerank', '', 'provider 2000000 -', 'tokens for nothing');
costs('rerank', 'by-hand', '', 'provider 125000000 -', 'ai_price');
costs('rerank', 'rerank', '', 'estimated 2000000 4', 'told nothing',
      sim => 'usage=off');
costs('rerank', 'rerank-tokens', '', 'provider - -', 'by the token only');
costs('rerank', 'search', '', 'provider - -', 'tiers by results');



=== TEST 7: other endpoints by the character, where there is such a price
--- check
my $none = 'usage=off';

costs('embeddings', 'embed', ',"input":"four"', 'provider 100 9', 'a string',
      sim => 'prompt=9');
costs('embeddings', 'embed', ',"input":["four","more"]', 'provider 200 9',
      'a list', sim => 'prompt=9');
like(used('embeddings', 'embed', ',"input":[1,2,3]', sim => 'prompt=9'),
     qr/^provider - 9$/, 'embed: tokens');
costs('responses', 'embed', ',"input":"four"', 'provider - 9',
      'not of Responses', sim => 'prompt=9');
costs('chat', 'by-hand', ',"input":"four","n":2', 'provider - 9',
      'nor of a chat', sim => 'prompt=9');
costs('chat', 'by-request', '', 'provider 10000000 9', 'a request',
      sim => 'prompt=9');



=== TEST 8: service tiers
--- check
my $sim = 'prompt=10,words=5';
my %want = ('' => 40000, default => 40000, standard => 40000, flex => 20000,
            priority => 60000, batch => 8500, strange => 40000);

for my $tier (sort keys %want) {
    my $all = $sim . ($tier ? ",tier=$tier" : '');
    my $n = $want{$tier};

    costs('chat', 'tiers', '', "provider $n 10", "chat, \"$tier\"",
          sim => $all);
    costs('chat', 'tiers', ',"stream":true', "provider $n 10",
          "chat, streamed, \"$tier\"", sim => $all);
    costs('responses', 'tiers', '', "provider $n 10", "Responses, \"$tier\"",
          sim => $all);
    costs('responses', 'tiers', ',"stream":true', "provider $n 10",
          "Responses, streamed, \"$tier\"", sim => $all);
    costs('messages', 'tiers', '', "provider $n 10", "messages, \"$tier\"",
          sim => $all);
    costs('messages', 'tiers', ',"stream":true', "provider $n 10",
          "messages, streamed, \"$tier\"", sim => $all);
}



=== TEST 9: what has no price is counted, read or not
--- check
used('speech', 'mini-tts', ',"input":"Hello"') for 1 .. 2;
used('images', 'pixels', '', sim => 'usage=off');
used('rerank', 'rerank-tokens', '');
used('speech', 'tts', ',"input":"Hello"');
used('speech', 'free', ',"input":"Hello"');
used('images', 'dall-e', '', sim => 'usage=off');
used('chat', 'embed', '', sim => '400');
used('chat', 'embed', '', sim => 'content_type=text/plain');
used('speech', 'tts', '');
--- grep_error_log eval: qr/model "\S+" at account "a" is not known, no cost is recorded \(\d+ uses without one so far\)/
--- grep_error_log_out
model "mini-tts" at account "a" is not known, no cost is recorded (1 uses without one so far)
model "pixels" at account "a" is not known, no cost is recorded (3 uses without one so far)
model "rerank-tokens" at account "a" is not known, no cost is recorded (4 uses without one so far)
model "embed" at account "a" is not known, no cost is recorded (5 uses without one so far)
model "tts" at account "a" is not known, no cost is recorded (6 uses without one so far)



=== TEST 10: what passes a metered location
--- check
my $json = 'application/json';

own(sub { pieces($_[0], http($json,
    '{"text":"ab","usage":{"type":"duration","seconds":90}}'), 17) });
is(told(ask(path => '/stt/v1/audio/transcriptions',
            head => "Content-Type: multipart/form-data; boundary=b\r\n",
            body => "--b\r\nContent-Disposition: form-data; name=file\r\n\r\n"
                    . 'x' x 400 . "\r\n--b--\r\n")),
   'provider 9000000 -', 'a transcription, by the second');

own(sub { pieces($_[0], http($json, '{"created":1,"data":[{"b64_json":"'
    . 'A' x 3000 . '"},{"b64_json":"B"}]}'), 1000) });
is(told(ask(path => '/m/v1/images/generations',
            body => '{"model":"dall-e","n":3}')),
   'provider 80000000 -', 'images, as many as there are');
is(told(ask(path => '/m/v1/images/generations',
            body => '{"model":"pixels"}')), 'provider - -', 'without a price');
--- grep_error_log eval: qr/ai price of model "\S+" at account "\w+"/
--- grep_error_log_out
ai price of model "pixels" at account "own"
