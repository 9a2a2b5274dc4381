# Copyright (C) nginx-ai-route contributors

# What a key is held to: requests, tokens, requests at once, money; many
# clients at once, two workers, reloads, restarts, killed workers.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AILog;
use AIServer;
use AIWorkers;

use Digest::SHA qw(sha256_hex);
use JSON::PP ();
use Time::HiRes qw(time sleep);

workers(2);

$ENV{TEST_NGINX_OWN} = free_port();

my $tmp = tmp_dir();
my $file;

# a request of prompt=10 and words=10 costs 10 * 1 + 10 * 10 microdollars at a
# and twice as much at b; with max_tokens 10 as much or a little more is
# reserved, for the dearer of both
my $http = ai_log() . <<'END';
ai_usage off;
ai_zone ai 2m state=%STATE%;
ai_price * input=1 output=10;
ai_class default { expose trail; max_wait off; retry_same off; attempts 4; }
ai_class low { expose trail; max_wait off; retry_same off; }
ai_breaker failures=0 rate=100;
ai_key k hash=%HASH% %KEY%;
ai_key free hash=%FREE%;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 64;
    ai_account provider=openai base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 64;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; }
ai_route two { target a; target b tier=2; }
END

sub folder { my ($n) = $_[0]->name =~ /TEST (\d+)/; return "$tmp/state-$n" }

check_blocks(
    http => sub {
        my $block = shift;
        my %by = (STATE => folder($block), KEY => $block->key,
                  HASH => 'sha256:' . sha256_hex('s3cr3t'),
                  FREE => 'sha256:' . sha256_hex('other'));
        (my $conf = $http) =~ s/%([A-Z]+)%/$by{$1}/g;
        return $conf;
    },
    reset => [qw(a b)],
    before => sub {
        $file = folder($_[0]) . '/budgets';
        provider_fault($_, 'prompt=10 words=10') for qw(a b);
    },
    perl => sub { eval shift });

my $auth = "Authorization: Bearer s3cr3t\r\n";

sub mine { return head => $auth, @_ }

# bounded output, so that the reservation is known
sub cheap { return mine(more => '"max_tokens":10,', @_) }

sub error { return JSON::PP::decode_json($_[0]{body})->{error} }

sub served { return scalar grep { $_->{status} == 200 } @_ }

no_long_string();
run_tests();

__DATA__

=== TEST 1: requests per day, a thousand at once
--- key chomp
requests=10r/d
--- check
my @r = ask_all(map { [mine(stream => $_ % 2)] } 1 .. 1000);
is(statuses(@r), '200:10 429:990', 'ten of a thousand');
is(requests('a'), 10, 'and no more is sent');

my ($no) = grep { $_->{status} == 429 } @r;
my $e = error($no);
is($e->{code}, 'rate_limit_exceeded', 'code');
is($e->{type}, 'requests', 'type');
like($e->{message}, qr/^key "k" has used its limit of 10 requests per day, try again in \d+ s$/,
     'message');
is($no->{h}{'x-ratelimit-limit-requests'}, 10, 'limit');
is($no->{h}{'x-ratelimit-remaining-requests'}, 0, 'remaining');
like($no->{h}{'x-ratelimit-reset-requests'}, qr/^(23|24)h\d+m\d+s$/, 'reset');
cmp_ok($no->{h}{'retry-after'}, '>', 8000, 'Retry-After');
is($no->{h}{'x-should-retry'}, 'false', 'which is too long to wait for');
is($no->{h}{'x-ratelimit-limit-tokens'}, undef, 'nothing of other limits');

is(served(ask_all(([head => "Authorization: Bearer other\r\n"]) x 20)), 20,
   'another key is not concerned');

reload();
is(ask(mine())->{status}, 429, 'over a reload');
is_deeply([@{ logged($no) }{qw(outcome class)}], [qw(rejected rate_limit)],
          'recorded');



=== TEST 2: requests per second
--- key chomp
requests=5r/s
--- check
# 50 at once, and as many as the time that they take allows for
my $some = sub {
    my $start = time();
    my $n = served(ask_all(([mine()]) x 50));

    between($n, 5, 5 + 5 * (time() - $start), $_[0]);
};
$some->('five at once');
my $no = wait_for(3, sub { my $r = ask(mine());
                           return $r->{status} == 429 && $r });
is($no->{h}{'retry-after'}, 1, 'Retry-After');
is($no->{h}{'x-should-retry'}, 'true', 'soon');
like($no->{h}{'x-ratelimit-reset-requests'}, qr/^(\d+ms|1s)$/, 'reset');
sleep 1.1;
$some->('five more');
my $yes = wait_for(3, sub { my $r = ask(mine());
                            $r->{status} == 200 && $r });
is($yes->{h}{'x-ratelimit-limit-requests'}, 5, 'limits in good answers, too');



=== TEST 3: what was never sent is no request
--- key chomp
requests=3r/d
--- check
operate('a', 'disable');
is(ask(mine())->{status}, 503, 'nowhere to go') for 1 .. 5;
operate('a', 'enable');
is(served(ask_all(([mine()]) x 6)), 3, 'three are left');



=== TEST 4: tokens: no overshoot, whatever comes at once
--- key chomp
tokens=2000t/d
--- check
# 10 + 90 tokens each; what is reserved is no less
provider_fault('a', 'prompt=10 words=90');
my @r = ask_all(map { [mine(more => '"max_tokens":90,', stream => $_ % 2)] }
                    1 .. 200);
my $n = served(@r);
between($n, 17, 20, 'twenty at the most');
my $m = 0;
while (ask(mine(more => '"max_tokens":90,'))->{status} == 200) {
    last if ++$m > 20;
}
between($n + $m, 19, 20, 'what was not used is there again');
my $e = error(ask(mine()));
is($e->{type}, 'tokens', 'type');
like($e->{message}, qr/limit of 2000 tokens per day/, 'message');



=== TEST 5: tokens: what failed is given back
--- key chomp
tokens=1000t/d
--- check
provider_fault('a', '500');
is(ask(mine())->{status}, 502, 'failed') for 1 .. 5;
provider_fault('a', 'prompt=10 words=10');
is(ask(mine())->{status}, 200, 'all of them are there');
between(ask(cheap())->{h}{'x-ratelimit-remaining-tokens'}, 940, 970,
        'but what was used, and is reserved');



=== TEST 6: requests at once
--- key chomp
concurrent=10
--- check
provider_fault('a', 'words=4 gap=1000');
my @q = map { open_request(mine(stream => 1)) } 1 .. 1000;
my @r = answers(@q);
is(statuses(@r), '200:10 429:990', 'ten of a thousand');
my ($no) = grep { $_->{status} == 429 } @r;
like(error($no)->{message}, qr/^key "k" has its limit of 10 requests at once/,
     'message');
is($no->{h}{'retry-after'}, 1, 'Retry-After');
is($no->{h}{'x-should-retry'}, 'true', 'soon');
provider_fault('a', '');
is(served(ask_all(([mine()]) x 10)), 10, 'and ten again');



=== TEST 7: requests at once: every ending gives the place back
--- key chomp
concurrent=3
--- check
for (['503', 502], ['cut=2 words=8', 200], ['reset', 502], ['empty', 502],
     ['401', 502], ['400', 400])
{
    provider_fault('a', $_->[0]);
    my @r = ask_all(([mine(stream => 1)]) x 3);
    accounts_open('a');
    is(scalar(grep { $_->{status} != 429 } @r), 3, "$_->[0]: all may come in");
}
provider_fault('a', 'hang');
my $n = requests('a');
my @q = map { open_request(mine()) } 1 .. 3;
ok(wait_for(2, sub { requests('a') == $n + 3 }), 'three hang');
is(ask(mine())->{status}, 429, 'a fourth may not');
close $_->{socket} for @q;
provider_fault('a', '');
sleep 0.3;
is(served(ask_all(([mine()]) x 3)), 3, 'clients that left');
is(ask(mine(more => '"x":{,'))->{status}, 400, 'broken') for 1 .. 5;
is(ask(mine(model => 'none'))->{status}, 404, 'unknown') for 1 .. 5;
is(served(ask_all(([mine()]) x 3)), 3, 'refusals hold nothing');



=== TEST 8: requests at once: workers killed under load
--- key chomp
concurrent=8
--- log_ok chomp
exited on signal 9
--- check
provider_fault('a', 'words=40 gap=100');
my @q = map { open_request(mine(stream => 1)) } 1 .. 20;
ok(wait_for(3, sub { requests('a') == 8 }), 'eight run');
kill_workers();
provider_fault('a', '');
is(served(ask_all(([mine()]) x 8)), 8, 'their places are free');
provider_fault('a', 'words=4 gap=200');
my @r = ask_all(([mine(stream => 1)]) x 30);
is(served(@r), 8, 'and no more than these');



=== TEST 9: money: no overshoot, whatever comes at once
--- key chomp
budget=0.0011usd/day
--- check
my @r = ask_all(map { [cheap(stream => $_ % 2)] } 1 .. 200);
my $n = served(@r);
between($n, 8, 10, 'ten at the most');
my $m = 0;
while (ask(cheap())->{status} == 200) { last if ++$m > 20 }
is($n + $m, 10, 'one after the other they use all of it');
is(requests('a'), 10, 'and no more is sent');

my $no = ask(cheap());
my $e = error($no);
is($no->{status}, 429, 'status');
is($e->{code}, 'insufficient_quota', 'code');
is($e->{type}, 'insufficient_quota', 'type');
like($e->{message}, qr/^key "k" has spent its budget of 0.0011 usd per day, 0 usd are left of it, it begins anew at \d{4}-\d\d-\d\dT00:00:00Z$/,
     'message');
is($no->{h}{'x-should-retry'}, 'false', 'no retry');
is_deeply([@{ logged($no) }{qw(outcome class)}],
          [qw(rejected quota_exhausted)], 'recorded');

reload();
is(ask(cheap())->{status}, 429, 'over a reload');
is(served(ask_all(([head => "Authorization: Bearer other\r\n"]) x 5)), 5,
   'another key is not concerned');



=== TEST 10: money: the dearest of the candidates is reserved, the true one paid
--- key chomp
budget=0.001usd/day
--- accounts
--- routes
upstream c { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://c/v1;
    ai_price * input=10 output=100; }
ai_route dear { target a; target c tier=2; }
--- check
# 1100 and more may be needed at c: more than there is
my $no = ask(cheap(model => 'dear'));
is($no->{status}, 429, 'might be too dear');
like(error($no)->{message}, qr/^key "k" would exceed its budget of 0.001 usd per \w+, 0.001 usd are left of it and the request may cost 0.\d+ usd/,
     'says what is left');
is(ask(cheap())->{status}, 200, 'alone at a') for 1 .. 9;
is(ask(cheap())->{status}, 429, '990 are spent, 110 are not left');



=== TEST 11: money: what failed costs nothing
--- key chomp
budget=0.00055usd/day
--- check
provider_fault('a', '500');
is(ask(cheap())->{status}, 502, 'failed') for 1 .. 8;
provider_fault('a', 'prompt=10 words=10');
is(served(map { ask(cheap()) } 1 .. 8), 5, 'five times');



=== TEST 12: several budgets
--- key chomp
budget=0.00055usd/day,0.00099usd/month,1usd/total
--- check
is(served(map { ask(cheap()) } 1 .. 8), 5, 'the smallest decides');
like(error(ask(cheap()))->{message}, qr/0.00055 usd per day/, 'and is named');



=== TEST 13: a budget in total says of no day when it begins anew
--- key chomp
budget=0.00022usd/total
--- check
is(served(map { ask(cheap()) } 1 .. 4), 2, 'two');
like(error(ask(cheap()))->{message},
     qr/^key "k" has spent its budget of 0.00022 usd in total, 0 usd are left of it$/,
     'message');



=== TEST 14: over a restart
--- key chomp
budget=0.0011usd/day,1usd/total
--- check
is(ask(cheap())->{status}, 200, 'spent') for 1 .. 6;
nginx_stop();
my @l = grep { / key day / } split /\n/, slurp($file);
like($l[-1], qr/ key day \d+ 660000 k$/, 'written down');
nginx_start();
is(served(map { ask(cheap()) } 1 .. 8), 4, 'what was left');
is(ask(cheap())->{status}, 429, 'spent');



=== TEST 15: killed, master and workers
--- key chomp
budget=0.0011usd/day
--- log_ok chomp
exited on signal 9
--- check
is(ask(cheap())->{status}, 200, 'spent') for 1 .. 6;
ok(wait_for(4, sub { -e $file && slurp($file) =~ / 660000 k$/m }),
   'written within a second or two');
nginx_kill();
nginx_start();
is(served(map { ask(cheap()) } 1 .. 8), 4, 'what was left');



=== TEST 16: a stream is cut off when the money is spent
--- key chomp
budget=0.015usd/day cut_off
--- check
# 1024 tokens are reserved, 5000 would come, 15000 microdollars pay for 1499
provider_fault('a', 'prompt=10 words=5000 gap=1');
my $r = ask(mine(stream => 1));
is($r->{status}, 200, 'it begins');
my $words = () = $r->{body} =~ /"content":"/g;
between($words, 700, 1900, 'it ends when the money does, by the estimate');
like($r->{body}, qr/\n\ndata: \{"error":\{"message":"the budget of the key is spent, the answer was ended","type":"insufficient_quota","param":null,"code":"insufficient_quota"\}/,
     'an honest event');
unlike($r->{body}, qr/finish_reason":"stop"|\[DONE\]/, 'no fake end');
ok(wait_for(2, sub { stats('a')->{aborted} == 1 }), 'the provider is told');
is_deeply([@{ logged($r) }{qw(outcome class)}], [qw(cut quota_exhausted)],
          'recorded');
is(ask(cheap(stream => 1))->{status}, 429, 'nothing is left');
is(way(ask(head => "Authorization: Bearer other\r\n")), 'a',
   'the account is none the worse');



=== TEST 17: no cut-off where it was not asked for
--- key chomp
budget=0.015usd/day
--- check
provider_fault('a', 'prompt=10 words=2000');
my $r = ask(mine(stream => 1));
like($r->{body}, qr/\[DONE\]/, 'it is finished');
is(ask(cheap(stream => 1))->{status}, 429, 'and paid: nothing is left');



=== TEST 18: a stream within its money is not cut off
--- key chomp
budget=0.1usd/day cut_off
--- check
provider_fault('a', 'prompt=10 words=2000');
for (1 .. 2) {
    my $r = ask(mine(stream => 1));
    like($r->{body}, qr/\[DONE\]/, 'it is finished');
}



=== TEST 19: money: as many answers as are asked for
--- key chomp
budget=0.0006usd/day
--- check
for my $n (6, 100, 2147483648, '9' x 40, '1e2', '6.0', '"6"') {
    my $r = ask(mine(more => qq("max_tokens":10,"n":$n,)));
    is($r->{status}, 429, "$n at once are too dear");
}
for my $n (1, 0, -1, 'null', '"six"') {
    my $r = ask(mine(more => qq("max_tokens":10,"n":$n,)));
    is($r->{status}, 200, "$n: one");
}



=== TEST 20: a cut-off by whatever number the provider tells
--- key chomp
budget=9000000usd/total cut_off
--- routes
upstream own { server 127.0.0.1:$TEST_NGINX_OWN;
    ai_account provider=compatible base=http://own/v1; }
ai_route own { target own; }
--- check
own_server('OWN', sub {
    my $c = shift;
    syswrite $c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
        . join '', map { "data: $_\n\n" }
          '{"choices":[{"index":0,"delta":{"content":"a"}}]}',
          '{"choices":[],"usage":{"prompt_tokens":1,'
          . '"completion_tokens":1000000000000000}}',
          '{"choices":[{"index":0,"delta":{"content":"b"}}]}';
    sleep 5;
});
my $r = ask(mine(model => 'own', stream => 1,
                 more => '"stream_options":{"include_usage":true},'));
like($r->{body}, qr/"code":"insufficient_quota"/, 'it ends');
is(served(ask_all(([head => "Authorization: Bearer other\r\n"]) x 20)), 20,
   'and the workers serve others');



=== TEST 21: tokens: all that may be used, whatever form says it
--- key chomp
tokens=1000000t/d
--- routes
ai_route forms { target b; }
--- check
# what fails is given back, so that each is told of its own reservation alone
provider_fault('b', '400');
my $default = 1024;
my %path = (chat => 'chat/completions', text => 'completions',
            azure => 'deployments/forms/completions',
            gemini => 'models/forms:generateContent',
            converse => 'model/forms/converse',
            messages => 'messages');
for ([gemini => '"generationConfig":{"maxOutputTokens":50000}', 50000],
     [gemini => '"generation_config":{"max_output_tokens":50000}', 50000],
     [gemini => '"generationConfig":{"maxOutputTokens":"5e4"}', 50000],
     [gemini => '"generationConfig":{"stopSequences":["maxOutputTokens"],'
                . '"responseSchema":{"maxOutputTokens":1},'
                . '"candidateCount":8,"maxOutputTokens":5000}', 40000],
     [gemini => '"generationConfig":{"candidate_count":3}', 3 * $default],
     [gemini => '"generationConfig":null', $default],
     [gemini => '"generationConfig":[{"maxOutputTokens":5}]', $default],
     [gemini => '"maxOutputTokens":5,"n":9', $default],
     [converse => '"inferenceConfig":{"maxTokens":50000}', 50000],
     [converse => '"generationConfig":{"maxOutputTokens":5}', $default],
     [text => '"max_tokens":100,"best_of":20', 2000],
     [text => '"max_tokens":100,"best_of":3,"n":7', 700],
     [text => '"max_tokens":100,"prompt":["a"' . ',"b"' x 99 . ']', 10000],
     [text => '"max_tokens":100,"prompt":[[1,2],[3],[4]]', 300],
     [text => '"max_tokens":100,"prompt":[[1],[2]],"n":2,"best_of":5', 1000],
     [text => '"max_tokens":100,"prompt":[1' . ',2' x 99 . ']', 100],
     [text => '"max_tokens":100,"prompt":[]', 100],
     [text => '"max_tokens":100,"prompt":"a, b"', 100],
     [azure => '"max_tokens":100,"prompt":["a","b"],"n":4', 800],
     [chat => '"max_tokens":5000.0', 5000],
     [chat => '"max_completion_tokens":5E+3', 5000],
     [chat => '"max_tokens":"5000"', 5000],
     [chat => '"max_tokens":" +5000 "', 5000],
     [chat => '"max_tokens":"\\u0035000"', 5000],
     [chat => '"max_tokens":5000.' . '0' x 40, 5000],
     [chat => '"max_tokens":5,"max_completion_tokens":"5000"', 5000],
     [chat => '"max_tokens":100,"n":5.0', 500],
     [chat => '"max_tokens":100,"n":"5"', 500],
     [chat => '"max_tokens":100,"n":[5]', 100],
     [messages => '"max_tokens":5e3,"n":5', 5000],
     (map { [chat => qq("max_tokens":$_), $default] }
          '"all"', '"5000 or so"', '"0x5000"', '"' . 'many ' x 30 . '"', '""',
          '" "', '"\\\\"', '"-5"', -5, -5.5, 'null', 'true', '[5]', '{}'))
{
    my ($form, $more, $output) = @$_;
    my $body = qq({"model":"forms",$more});
    my $r = ask(mine(path => "/v1/$path{$form}", body => $body));

    cmp_ok($r->{status}, '>=', 400, 'failed');
    is(1000000 - ($r->{h}{'x-ratelimit-remaining-tokens'} // 0),
       $output + int(length($body) / 4), "$form: " . substr $more, 0, 60);
}
for ('1e9', '"4000000000"', 1 . '0' x 30, '1.' . '0' x 80 . 'e9',
     '"' . '0' x 80 . '5000000"', '1000000000,"n":1000000000,"best_of":1e9')
{
    my $body = qq({"model":"forms","prompt":["a","b"],"max_tokens":$_});
    my $r = ask(mine(path => '/v1/completions', body => $body));

    cmp_ok($r->{status}, '>=', 400, 'failed');
    is($r->{h}{'x-ratelimit-remaining-tokens'}, 0, "much: $_");
}



=== TEST 22: tokens: a limit that could be read in two ways is refused
--- key chomp
tokens=1000000t/d
--- routes
ai_route forms { target b; }
--- check
for ('"generationConfig":{"maxOutputTokens":1,"maxOutputTokens":50000}',
     '"generationConfig":{"maxOutputTokens":1,"max\\u004futputTokens":5}',
     '"generationConfig":{"MaxOutputTokens":50000}',
     '"generationConfig":{},"generation_config":{"max_output_tokens":5}')
{
    my $r = ask(mine(path => '/v1/models/forms:generateContent',
                     body => "{$_}"));

    is($r->{status}, 400, 'refused');
    like(error($r)->{param}, qr/^generation(Config|_config)$/, 'param');
    like(error($r)->{message}, qr/^"generation\w+" is not accepted: /, $_);
}
is(requests('b'), 0, 'none is sent');
