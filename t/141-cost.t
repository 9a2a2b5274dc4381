# Copyright (C) nginx-ai-route contributors

# What requests cost: in records, in $ai_cost_usd, by which price of those that
# a model may have, and what becomes of a price that is not known.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';

use HTTP::Tiny ();
use JSON::PP ();

my $tmp = tmp_dir();
my $id = 0;

# so many that some share a place in the table
my $many = join '', map {
    qq("many-$_": {"input_cost_per_token": $_, "output_cost_per_token": 0},\n)
} 1 .. 400;

# a dollar per million tokens is 1000 nanodollars per token

spew("$tmp/prices.json", <<"END");
{$many "mapped": {"input_cost_per_token": 1e-06, "output_cost_per_token": "2e-6",
     "cache_read_input_token_cost": 1e-7, "max_input_tokens": 1000,
     "output_cost_per_reasoning_token": 0.000003},
 "dear": {"input_cost_per_token": 1, "output_cost_per_token": 1},
 "groq/prefixed": {"input_cost_per_token": 5e-6,
     "output_cost_per_token": 5e-6},
 "compatible/prefixed": {"input_cost_per_token": 9, "output_cost_per_token": 9},
 "client": {"input_cost_per_token": 7e-6, "output_cost_per_token": 7e-6},
 "free": {"input_cost_per_token": 0, "output_cost_per_token": 0},
 "least": {"input_cost_per_token": 1e-12, "output_cost_per_token": 1e-12},
 "half": {"input_cost_per_token": 3e-6},
 "tiered": {"input_cost_per_token": 1e-6,
     "input_cost_per_token_above_1k_tokens": 2e-6,
     "output_cost_per_token": 1e-6},
 "ranges": {"tiered_pricing": [
     {"range": [0, 100], "input_cost_per_token": 1e-6,
      "output_cost_per_token": 1e-6},
     {"input_cost_per_token": 3e-6, "output_cost_per_token": 4e-6,
      "range": [100, 1e6]}]},
 "bare": {"mode": "chat"},
 "groq/bare": {"input_cost_per_token": 4e-6, "output_cost_per_token": 4e-6},
 "second": {"output_cost_per_second": 1}}
END

spew("$tmp/windows.json", <<'END');
{"groq/small": {"max_input_tokens": 100}, "same": {"max_input_tokens": 100.0},
 "large": {"max_input_tokens": 101}}
END

my $http = <<'END';
log_format ai '$ai_request_id|$ai_cost_usd|';
access_log $TEST_NGINX_TMP/ai.log ai;
ai_usage file:$TEST_NGINX_TMP/usage.jsonl;
ai_class default { retry_same off; max_wait off; }
ai_breaker failures=0 rate=100;
END

my $accounts = <<'END';
ai_prices $TEST_NGINX_TMP/prices.json;
ai_price by-http input=11 output=11;
ai_price dear input=0.5 output=0.25 cache_read=0 request=0.000002;

upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=groq base=http://a/v1;
    ai_price own input=3 output=3;
    ai_price by-http input=12 output=12; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=compatible base=http://b/v1;
    ai_price * input=20 output=20;
    ai_price named input=21 output=21; }
upstream c { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=compatible base=http://c/v1; }

ai_route to-b-*   { target b; }
ai_route named    { target b; }
ai_route client   { target c model=deployment; }
ai_route renamed  { target c model=mapped; }
ai_route fails    { target a; target c model=mapped tier=2; }
ai_route backed   { target a; backup mapped; }
ai_route b-model  { target b model=mapped; }
ai_route compat   { target c model=prefixed; }
ai_route at-c     { target c model=by-http; }
ai_route *        { target a; }
END

add_block_preprocessor(sub {
    my $block = shift;
    my $accounts = defined $block->accounts ? $block->accounts : $accounts;

    $block->set_value('http_config', "# @{[$block->name]}\n$http$accounts");
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

    return if $dry_run || !defined $block->check;

    provider_reset(qw(a b));
    eval '#line 1 "' . $block->name . "\"\n" . $block->check . "\n;1"
        or fail($block->name . " - check died: $@");
});

sub ask {
    my ($model, %o) = @_;
    my $r = HTTP::Tiny->new->post(
        'http://127.0.0.1:' . server_port() . '/v1/chat/completions',
        { headers => { 'X-Request-ID' => 'c' . ++$id . "-$$",
                       $o{sim} ? ('X-Sim' => $o{sim}) : () },
          content => qq({"model":"$model",)
                     . ($o{stream} ? '"stream":true,' : '')
                     . '"messages":[]}' });

    $r->{id} = "c$id-$$";
    return $r;
}

# all records of a request, the request's own first
sub records {
    my ($r, $n) = @_;
    my @all;

    wait_for(4, sub {
        @all = slurp_lines("$tmp/usage.jsonl")
               =~ /^(\{.*"request_id":"\Q$r->{id}\E".*\})$/mg;
        return @all >= ($n || 1);
    });
    return map { JSON::PP::decode_json($_) } @all;
}

# "nanodollars dollars" of the record and the variable
sub cost {
    my $r = shift;
    my ($record) = records($r);
    my $usd = wait_for(3, sub {
        slurp_lines("$tmp/ai.log") =~ /^\Q$r->{id}\E(\|.*)\|$/m ? $1 : ''
    });

    return (defined $record->{cost_nanousd} ? $record->{cost_nanousd} : '?')
           . ' ' . substr($usd || '|?', 1);
}

sub costs {
    my ($model, $sim, $want, $what) = @_;

    is(cost(ask($model, sim => $sim)), $want, $what || $model);
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: tokens by their kinds
--- check
costs('mapped', 'prompt=10,words=5', '20000 0.00002');
costs('mapped', 'prompt=10,cached=4,words=5',
      '16400 0.0000164', 'cached: 6 * 1000 + 4 * 100 + 5 * 2000');
costs('mapped', 'prompt=10,words=5,reasoning=3',
      '29000 0.000029', 'reasoning: 10 * 1000 + 5 * 2000 + 3 * 3000');
is(cost(ask('mapped', sim => 'prompt=10,words=5', stream => 1)),
   '20000 0.00002', 'streamed');

# a price per request, and cache reads for nothing
costs('dear', 'prompt=10,cached=10,words=4', '3000 0.000003',
      'ai_price before the map');



=== TEST 2: which price it is
--- check
my $sim = 'prompt=1,words=1';

costs('own', $sim, '6000 0.000006', 'ai_price in the account');
costs('by-http', $sim, '24000 0.000024', '... before that of http');
costs('at-c', $sim, '22000 0.000022', 'ai_price in http');
costs('mapped', $sim, '3000 0.000003', 'the map by name');
costs('prefixed', $sim, '10000 0.00001', 'the map by prefix and name');
costs('bare', $sim, '8000 0.000008', '... where the name has no price');
costs('renamed', $sim, '3000 0.000003', 'the name that is sent');
costs('client', $sim, '14000 0.000014', 'the name that the client knows');
costs('to-b-1', $sim, '40000 0.00004', '* in the account');
costs('b-model', $sim, '40000 0.00004', '* before the map');
costs('named', $sim, '42000 0.000042', 'a name before *');
costs('compat', $sim, '? -', 'a provider without a prefix');
costs('Mapped', $sim, '? -', 'names have a case');

my @wrong = grep { cost(ask("many-$_", sim => $sim)) ne "${_}000000000 $_" }
                 map { 7 * $_ } 1 .. 57;
is("@wrong", '', 'one of many');



=== TEST 3: odd prices
--- check
costs('free', 'prompt=1000,words=10', '0 0', 'nothing is not unknown');
costs('least', 'prompt=490,words=10', '1 0.000000001', 'half a nanodollar');
costs('least', 'prompt=489,words=10', '0 0', 'less');
costs('half', 'prompt=10,words=1', '? -', 'no price of the output');
costs('second', 'prompt=10,words=1', '? -', 'by the second only');
costs('tiered', 'prompt=1000,words=1', '1001000 0.001001', 'up to a threshold');
costs('tiered', 'prompt=1001,words=1', '2003000 0.002003', 'above it');
costs('ranges', 'prompt=100,words=1', '101000 0.000101', 'the first range');
costs('ranges', 'prompt=101,words=1', '307000 0.000307', 'the second one');
costs('mapped', 'usage=off', '40000 0.00004',
      'no usage: estimated, 8 * 1000 + 16 * 2000');
costs('mapped', '400', '? -', 'an error costs nothing known');



=== TEST 4: attempts: only the last one may have cost something
--- check
provider_fault('a', '500');
provider_fault('b', 'prompt=10,words=5');
my $r = ask('fails');
my ($request, @attempts) = records($r, 3);
is(join(' ', map { defined $_->{cost_nanousd} ? $_->{cost_nanousd} : '?' }
             $request, @attempts), '20000 ? 20000', 'two attempts');



=== TEST 5: a backup model has its own price
--- accounts
ai_prices $TEST_NGINX_TMP/prices.json;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=groq base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=compatible base=http://b/v1; }
ai_route dear { target a; backup mapped; }
ai_route mapped { target b; }
--- check
provider_fault('a', '500');
provider_fault('b', 'prompt=10,words=5');
my $r = ask('dear');
is($r->{headers}{'x-ai-fallback'}, 'backup', 'the backup answered');
is(cost($r), '20000 0.00002', 'its cost');



=== TEST 6: a price that is missing is named once, with its account
--- check
ask('nope', sim => 'prompt=10,words=1') for 1 .. 3;
ask('none', sim => 'prompt=10,words=1');
--- grep_error_log eval: qr/ai price of model "\w+" at account "\w+" is not known, no cost is recorded/
--- grep_error_log_out
ai price of model "nope" at account "a" is not known, no cost is recorded
ai price of model "none" at account "a" is not known, no cost is recorded



=== TEST 7: many of them: at the end it is said that there are more
--- check
ask("x$_", sim => 'prompt=1,words=1') for 1 .. 260;
--- grep_error_log eval: qr/"x25[5-9]" at account "a" is not known, no cost is recorded.*models are not named/
--- grep_error_log_out
"x256" at account "a" is not known, no cost is recorded (256 uses without one so far); further models are not named



=== TEST 8: without any price nobody is told
--- accounts
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=groq base=http://a/v1; }
ai_route * { target a; }
--- check
costs('mapped', 'prompt=1,words=1', '? -');
--- no_error_log
ai price



=== TEST 9: "*" of http is for what nothing else knows
--- accounts
ai_prices $TEST_NGINX_TMP/prices.json;
ai_price * input=30 output=30;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=groq base=http://a/v1; }
ai_route client { target a model=deployment; }
ai_route * { target a; }
--- check
my $sim = 'prompt=1,words=1';

costs('mapped', $sim, '3000 0.000003', 'the map by name');
costs('prefixed', $sim, '10000 0.00001', 'the map by prefix and name');
costs('client', $sim, '14000 0.000014', 'the name that the client knows');
costs('nope', $sim, '60000 0.00006', 'none of them');



=== TEST 10: windows by the price map: only a larger one takes the request
--- accounts
ai_prices $TEST_NGINX_TMP/windows.json;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=groq base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=groq base=http://b/v1; }
ai_route small  { target a; backup same large; }
ai_route only   { target a model=small; backup same; }
ai_route own    { target a model=small; backup same; window 99; }
ai_route same large { target b; }
--- check
provider_fault('a', 'status=400 code=context_length_exceeded');
is(ask('small')->{headers}{'x-ai-model'}, 'large', 'the larger one');
is(ask('only')->{status}, 400, 'no larger one');
is(ask('own')->{headers}{'x-ai-model'}, 'same', "the route's own word");
