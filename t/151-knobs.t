# Copyright (C) nginx-ai-route contributors

# What a request may say of its own routing, and that it only ever narrows
# what route and class allow.
#
# A block's "table" has a model, members of the body and what comes of it, in
# three columns with " | " between; what comes is the accounts that were tried,
# "a,b", the last of which served, or "503 a" if none did, or the refusal's
# status, param and message.  "faults" has a provider and its script per line.

use lib 't/lib';
use AIRoute providers => [qw(a b c d)];
use Test::Nginx::Socket 'no_plan';

use Digest::SHA ();
use HTTP::Tiny ();
use JSON::PP ();
use Time::HiRes qw(time);

$ENV{TEST_NGINX_ADMIN} = Digest::SHA::sha256_hex('s3cr3t');

my $http = <<'END';
ai_usage off;
ai_class default { expose trail; max_wait off; retry_same off; }
ai_class again   { expose trail; max_wait off; }
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 4;
    ai_account provider=openai base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 4;
    ai_account provider=groq base=http://b/v1; }
upstream c { server 127.0.0.1:$TEST_NGINX_PROVIDER_C; keepalive 4;
    ai_account provider=mistral base=http://c/v1; }
upstream d { server 127.0.0.1:$TEST_NGINX_PROVIDER_D; keepalive 4;
    ai_account provider=vllm base=http://d/v1; }

ai_route m     { target a weight=1000; target b; target c; }
ai_route tiers { target a; target b tier=2; target c tier=3; }
ai_route big   { target a; backup small tiny own; }
ai_route small { target b; }
ai_route tiny  { target c; }
ai_route own   { target d; }
ai_route hash  { balance hash; target a; target b; target c; }
END

add_block_preprocessor(sub {
    my $block = shift;
    my $more = $block->routes || '';

    $more .= $block->breaker || "ai_breaker failures=0 rate=100;\n";
    $block->set_value('http_config', "# @{[$block->name]}\n$http$more");
    $block->set_value('config',
                      "location /v1/ { ai_pass; }\n"
                      . "location /ai/ { ai_status "
                      . "admin=sha256:$ENV{TEST_NGINX_ADMIN}; }\n"
                      . "location = /up { return 204; }\n");
    $block->set_value('request', "GET /up\n");
    $block->set_value('error_code', 204);
});

add_response_body_check(sub {
    my ($block, undef, undef, undef, $dry_run) = @_;

    return if $dry_run;

    provider_reset(qw(a b c d));

    for my $f (split /\n/, defined $block->faults ? $block->faults : '') {
        my ($who, $script) = split ' ', $f, 2;
        provider_fault($who, $script);
    }

    for my $row (split /\n/, defined $block->table ? $block->table : '') {
        my ($model, $more, $want) = split / \| /, $row;

        accounts_open(qw(a b c d));
        is(came(ask($model, $more, class => scalar $block->class)), $want,
           $block->name . ": $model $more");
    }

    return unless defined $block->check;
    eval '#line 1 "' . $block->name . "\"\n" . $block->check . "\n;1"
        or fail($block->name . " - check died: $@");
});

sub ask {
    my ($model, $more, %o) = @_;
    my %h = ('Content-Type' => 'application/json', %{ $o{head} || {} });

    $h{'X-AI-Class'} = $o{class} if defined $o{class};
    return HTTP::Tiny->new(timeout => 20)->post(
        'http://127.0.0.1:' . server_port() . '/v1/chat/completions',
        { headers => \%h, content => qq({"model":"$model",)
                                     . ($more ne '' ? "$more," : '')
                                     . '"messages":[]}' });
}

sub came {
    my $r = shift;
    my $trail = $r->{headers}{'x-ai-trail'};
    my $way = defined $trail ? join ',', $trail =~ /([^,=]+)=/g : '';
    my $e;

    return $way if $r->{status} == 200;
    return "$r->{status} $way" if $way ne '';
    $e = eval { JSON::PP::decode_json($r->{content})->{error} } || {};
    return join ' ', $r->{status}, $e->{code} eq 'invalid_request_error'
                     ? () : $e->{code}, $e->{param} || '-', $e->{message};
}

no_long_string();
no_shuffle();
run_tests();

__DATA__

=== TEST 1: only and ignore, by account and provider
--- table
m |  | a
m | "provider":{"only":["b"]} | b
m | "provider":{"only":["GROQ"]} | b
m | "provider":{"only":["groq"],"ignore":[]} | b
m | "providerOptions":{"gateway":{"only":["mistral","nobody"]}} | c
m | "provider":{"ignore":["a","Mistral"]} | b
m | "provider":{"only":["openai","groq"],"ignore":["a"]} | b
m | "provider":{"only":[]} | a
m | "provider":{"only":null,"ignore":null} | a
m | "provider":{"only":["nobody"]} | 400 provider.only "provider.only" leaves no account that serves the model "m"
m | "providerOptions":{"gateway":{"only":["d"]}} | 400 providerOptions.gateway.only "providerOptions.gateway.only" leaves no account that serves the model "m"
m | "provider":{"ignore":["a","b","c"]} | 400 provider.ignore "provider.ignore" leaves no account that serves the model "m"
m | "provider":{"order":["d"],"allow_fallbacks":false} | 400 provider.order "provider.order" leaves no account that serves the model "m"



=== TEST 2: nothing beyond the class
--- routes
ai_class only_a { expose trail; allow_backup off; accounts a; }
--- class: only_a
--- table
m | "provider":{"order":["b"]} | a
m | "provider":{"only":["a","b"]} | a
m | "provider":{"only":["b"]} | 400 provider.only "provider.only" leaves no account that serves the model "m"
tiny | "provider":{"only":["c"]} | 403 model_not_available_for_class model no account of class "only_a" serves the model "tiny"



=== TEST 3: what was left out is not tried after failures
--- faults
a status=503
b status=503
--- table
m | "provider":{"ignore":["c"],"order":["a"]} | 503 a,b
m | "provider":{"only":["a"]} | 503 a
big |  | a,b,c
big | "provider":{"ignore":["mistral"]} | a,b,d
big | "provider":{"ignore":["mistral","d"],"only":["a","b","c","d"]} | 503 a,b



=== TEST 4: the order, and the tiers above it
--- table
m | "provider":{"order":["b"]} | b
m | "provider":{"order":["c","b","a"]} | c
m | "providerOptions":{"gateway":{"order":["nobody","groq"]}} | b
tiers | "provider":{"order":["c","b"]} | a



=== TEST 5: the order after failures, then the rest
--- faults
b status=503
c status=500
--- table
m | "provider":{"order":["b"]} | b,a
m | "provider":{"order":["c","b","a"]} | c,b,a
m | "provider":{"order":["b","c"]} | b,c,a



=== TEST 6: no fallbacks
--- faults
a status=503
--- table
m | "provider":{"allow_fallbacks":true,"order":["a","c"]} | a,c
m | "provider":{"allow_fallbacks":false} | 503 a
tiers | "provider":{"allow_fallbacks":false} | 503 a
big | "provider":{"allow_fallbacks":false} | 503 a
m | "provider":{"allow_fallbacks":false,"order":["a","b"]} | a,b
m | "provider":{"allow_fallbacks":false,"order":["a"]} | 503 a
--- check
# one that is known to be out is not what the request is given at first

provider_fault('a', 'status=401');
accounts_open(qw(a b c d));
is(came(ask('tiers', '')), 'a,b', 'a is closed now');
is(came(ask('tiers', '"provider":{"allow_fallbacks":false}')), 'b',
   'the first that is usable');
like(came(ask('big', '"provider":{"allow_fallbacks":false}')),
     qr/^50[23] \w+ - /, 'a backup is a fallback, too');



=== TEST 7: the same target once more is no other
--- class: again
--- faults
a times=1 status=500
--- table
m | "provider":{"allow_fallbacks":false} | a,a



=== TEST 8: models choose among the backups
--- faults
a status=503
--- table
big |  | a,b
big | "models":["big","tiny"] | a,c
big | "models":["tiny","small"] | a,c
big | "providerOptions":{"gateway":{"models":["own"]}} | a,d
big | "models":[] | a,b
big | "models":["nobody"] | 503 a
big | "models":["hash","m"] | 503 a
big | "models":["nobody","own","tiny"],"provider":{"order":["d"]} | a,d



=== TEST 9: the backups in the request's order, each once
--- faults
a status=503
b status=503
c status=503
--- table
big | "models":["tiny","small","tiny","own"] | a,c,b,d
big | "models":["small","tiny"] | 503 a,b,c



=== TEST 10: sorted by time
--- faults
a delay=300
--- check
my $sorted = '"provider":{"sort":"latency","only":["a","b"]}';
my %n;

ask('m', '"provider":{"only":["' . $_ . '"]}') for qw(a b);

for my $sort ('"provider":{"only":["a","b"],"sort":"latency"}',
              '"provider":{"only":["a","b"],"sort":{"by":"throughput"}}',
              '"providerOptions":{"gateway":{"only":["a","b"],"sort":"tps"}}')
{
    %n = ();
    $n{ came(ask('even', $sort)) }++ for 1 .. 12;
    cmp_ok($n{b} || 0, '>=', 8, "$sort: the quick one");
}

%n = ();
$n{ came(ask('even', '"provider":{"only":["a","b"]}')) }++ for 1 .. 4;
is("$n{a} $n{b}", '2 2', 'by the weights without it');
--- routes
ai_route even { target a; target b; }



=== TEST 11: timeouts of the request's own
--- faults
a hang
--- check
my $t = '"providerOptions":{"gateway":{"providerTimeouts":{"byok":{';
my $start = time();

is(came(ask('tiers', $t . '"openai":200}}}}')), 'a,b', 'by provider');
is(came(ask('tiers', $t . '"a":200,"openai":60000}}}}')), 'a,b',
   'by account, the shorter one');
is(came(ask('tiers', $t . '"OpenAI":200}}}},"stream":true')), 'a,b',
   'a stream');
cmp_ok(time() - $start, '<', 8, 'it did not take the class\'s time');

# an impatient client is no reason to keep others away

is(came(ask('tiers', $t . '"a":100}}}}')), 'a,b', 'a is tried again')
    for 1 .. 3;

provider_fault('a', 'delay=700');
is(came(ask('tiers', $t . '"b":100}}}}')), 'a', 'that of another account');
is(came(ask('tiers', $t . '"a":9000000000000000000}}}}')), 'a',
   'never longer than the class\'s');
--- breaker
ai_breaker failures=1;



=== TEST 12: a session keeps its account
--- check
my %by;

for my $s (1 .. 40) {
    $by{ $s } = came(ask('hash', qq("session_id":"s-$s")));
}

my %used = map { $_ => 1 } values %by;
is(join(',', sort keys %used), 'a,b,c', 'all are used');

is(join(',', map { came(ask('hash', qq("session_id":"s-$_"))) } 1 .. 40),
   join(',', map { $by{$_} } 1 .. 40), 'the same ones again');
is(join(',', map { came(ask('hash', '', head => { 'X-Session-Id' => "s-$_" })) }
             1 .. 40),
   join(',', map { $by{$_} } 1 .. 40), 'and by the header');
is(join(',', map { came(ask('hash', qq("session_id":"s-$_"),
                            head => { 'X-Session-Id' => "x-$_" })) } 1 .. 40),
   join(',', map { $by{$_} } 1 .. 40), 'which it goes before');

my $key = came(ask('hash', '"prompt_cache_key":"k"'));
is(join(',', map { came(ask('hash', qq("prompt_cache_key":"k",)
                                   . qq("session_id":"s-$_"))) } 1 .. 20),
   join(',', ($key) x 20), 'prompt_cache_key goes before it');



=== TEST 13: refused by the name of the field
--- table
m | "provider":"openai" | 400 provider "provider" must be an object
m | "provider":{"order":["a","b",3]} | 400 provider.order[2] "provider.order[2]" must be a string
m | "provider":{"allow_fallbacks":"no"} | 400 provider.allow_fallbacks "provider.allow_fallbacks" must be true or false
m | "provider":{"max_price":{"prompt":"cheap"}} | 400 provider.max_price.prompt "provider.max_price.prompt" must be a price in USD per million tokens, like 2.5
m | "provider":{"max_price":{"prompt":0.5,"completion":"1"}} | a
m | "providerOptions":[] | 400 providerOptions "providerOptions" must be an object
m | "providerOptions":{"gateway":{"providerTimeouts":{"byok":{"x\"%n":"1s"}}}} | 400 providerOptions.gateway.providerTimeouts.byok.x\"%n "providerOptions.gateway.providerTimeouts.byok.x\"%n" must be a positive number of milliseconds
m | "providerOptions":{"g\u0061teway":{"only":["b"]}} | 400 providerOptions "providerOptions" has a name with a backslash in it
m | "models":"a" | 400 models "models" must be an array of strings
m | "session_id":7 | 400 session_id "session_id" must be a string
m | "provider":{"only":["a"]},"providerOptions":{"gateway":{"only":["b"]}} | 400 provider.only "provider.only" is given in two spellings, send only one
--- check
for my $n (8191, 8192, 8193) {
    my $long = '"' . 'x' x ($n - 2) . '"';

    is(came(ask('m', qq("session_id":$long))),
       $n <= 8192 ? 'a' : '400 session_id "session_id" must not be longer '
                          . 'than 8192 bytes', "$n bytes");
}

like(came(ask('m', '"provider":{},"provider":{}')), qr/^400 .*duplicate name/,
     'twice');



=== TEST 14: what is not known is of no matter
--- table
m | "provider":{"zdr":true,"quantizations":["fp8"],"sort":{"partition":"none"},"x":[[{}]]} | a
m | "providerOptions":{"gateway":{"has":["vision"],"caching":"auto","byok":{"openai":[{"apiKey":"k"}]}},"openai":{"only":["b"]}} | a
m | "providerOptions":{"openai":{"order":["c"]}} | a
