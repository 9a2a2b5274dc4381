# Copyright (C) nginx-ai-route contributors

# What classes may spend: allow_costlier, max_price, allow_family_switch, and
# the queue in the place of a dear backup; balance least_cost.

use lib 't/lib';
use AIRoute providers => [qw(a b c)];
use Test::Nginx::Socket 'no_plan';

use HTTP::Tiny ();
use JSON::PP ();
use Time::HiRes qw(time);

my $id = 0;

# c has no price
my $http = <<'END';
ai_usage off;
ai_class default { expose trail; retry_same off; max_wait off; }
ai_class frugal  { expose trail; retry_same off; max_wait off;
                   allow_costlier off; }
ai_class patient { expose trail; retry_same off; max_wait off; queue 10s;
                   allow_costlier off; }
ai_class hasty   { expose trail; retry_same off; max_wait off; queue 10s; }
ai_breaker failures=0 rate=100;

upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://a/v1;
    ai_price * input=2 output=4; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=compatible base=http://b/v1;
    ai_price * input=20 output=40;
    ai_price same input=2 output=4;
    ai_price flat input=0.1 output=40;
    ai_price little input=1 output=1;
    ai_price zero input=0 output=0; }
upstream c { server 127.0.0.1:$TEST_NGINX_PROVIDER_C;
    ai_account provider=compatible base=http://c/v1; }
END

add_block_preprocessor(sub {
    my $block = shift;
    my $routes = $block->routes || '';

    $block->set_value('http_config', "# @{[$block->name]}\n$http$routes");
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

    provider_reset(qw(a b c));
    eval '#line 1 "' . $block->name . "\"\n" . $block->check . "\n;1"
        or fail($block->name . " - check died: $@");
});

sub ask {
    my ($model, $class, %o) = @_;
    my $start = time();
    my $r = HTTP::Tiny->new(timeout => 20)->post(
        'http://127.0.0.1:' . server_port() . '/v1/chat/completions',
        { headers => { 'X-AI-Class' => $class || 'default' },
          content => qq({"model":"$model",) . ($o{more} || '')
                     . '"messages":["' . 'x' x ($o{prompt} || 0) . '"]}' });

    $r->{took} = time() - $start;
    $r->{trail} = $r->{headers}{'x-ai-trail'} || '-';
    $r->{way} = join ',', map { /^([^=]+)/ } split /,/, $r->{trail};
    $r->{error} = (eval { JSON::PP::decode_json($r->{content}) } || {})
                  ->{error} || {};
    return $r;
}

sub way {
    my ($model, $class, $want, $what, %o) = @_;
    my $r = ask($model, $class, %o);

    is("$r->{status} $r->{way}", $want, $what);
    return $r;
}

# how often each account is first, of n
sub first {
    my ($n, $model, %o) = @_;
    my %count;

    $count{ (split /,/, ask($model, undef, %o)->{way})[0] }++ for 1 .. $n;
    return join ' ', map { "$_$count{$_}" } sort keys %count;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: allow_costlier: tiers
--- routes
ai_route dearer  { target a; target b tier=2; }
ai_route equal   { target a; target b model=same tier=2; }
ai_route cheaper { target a; target b model=little tier=2; }
ai_route unknown { target a; target c tier=2; }
ai_route both    { target a; target b; target b model=same tier=2;
                   target c tier=2; }
ai_route first   { target c; target a tier=2; }
ai_route free    { target c; target b model=zero tier=2; }
--- check
provider_fault('a', '500');
way('dearer', undef, '200 a,b', 'any class');
my $r = way('dearer', 'frugal', '502 a', 'a dearer tier');
like($r->{error}{message}, qr/others are too dear for its class/, '... why');
way('equal', 'frugal', '200 a,b', 'the same price');
way('cheaper', 'frugal', '200 a,b', 'a lower price');
way('unknown', undef, '200 a,c', 'no price, any class');
way('unknown', 'frugal', '502 a', 'no price');

# the dearest of the first tier counts
provider_fault('b', '500');
provider_fault('c', '500');
$r = ask('both', 'frugal');
is(join(',', sort split /,/, $r->{way}), 'a,b,b', 'all but the unknown one');

# without a price in the first tier nothing is known to be no dearer
way('first', 'frugal', '502 c', 'an unknown first tier');
provider_fault('b', '');
way('free', 'frugal', '200 c,b', '... but what is free');



=== TEST 2: allow_costlier: backup models
--- routes
ai_route m      { target a; backup big none small; }
ai_route only   { target a; backup big none; }
ai_route big    { target b; }
ai_route none   { target c; }
ai_route small  { target b model=little; }
--- check
provider_fault('a', '500');
way('m', undef, '200 a,b', 'the first, any class');
my $r = way('m', 'frugal', '200 a,b', 'the last');
is($r->{headers}{'x-ai-model'}, 'little', '... which is cheap');
$r = way('only', 'frugal', '502 a', 'none');
like($r->{error}{message}, qr/others are too dear for its class/, '... why');

# one's own model, however dear
provider_fault('b', '');
way('big', 'frugal', '200 b', 'what was asked for');



=== TEST 3: allow_costlier: by what this very request would cost
--- routes
ai_route m { target a; target b model=flat tier=2; }
--- check
provider_fault('a', '500');
way('m', 'frugal', '200 a,b', 'a long prompt', prompt => 4000,
    more => '"max_tokens":10,');
way('m', 'frugal', '502 a', 'a long answer', prompt => 4000,
    more => '"max_tokens":1000,');
way('m', 'frugal', '502 a', 'an answer of unknown length');



=== TEST 4: the queue, not a dear backup
--- routes
ai_route m   { target a; backup big; }
ai_route two { target a; target b tier=2; }
ai_route big { target b; }
--- check
for my $model ('m', 'two') {
    accounts_open(qw(a b));
    provider_fault('a', "times=1 status=429 retry_after=1\ntimes=9 ok");
    my $r = way($model, 'patient', '200 a,a', "$model: it waits");
    cmp_ok($r->{took}, '>', 0.9, "$model: for the account to come back");
    is($r->{headers}{'x-ai-fallback'}, 'retry', "$model: no backup");

    accounts_open(qw(a b));
    provider_fault('a', "times=1 status=429 retry_after=1\ntimes=9 ok");
    $r = way($model, 'hasty', '200 a,b', "$model: any class with a queue");
    cmp_ok($r->{took}, '<', 0.9, "$model: does not wait");

    accounts_open(qw(a b));
    provider_fault('a', "times=1 status=429 retry_after=1\ntimes=9 ok");
    $r = way($model, 'frugal', '429 a', "$model: without a queue it fails");
}



=== TEST 5: who waits for a cheap account blocks nobody
--- routes
ai_route two { target a; target b tier=2; }
--- check
provider_fault('a', "times=1 status=429 retry_after=3\ntimes=9 ok");
my $pid = fork;
if ($pid == 0) {
    ask('two', 'patient');
    POSIX::_exit(0);
}
wait_for(2, sub {
    JSON::PP::decode_json(provider_get('a', '/__stats'))->{requests} == 1
});
my $r = way('two', 'hasty', '200 b', 'another class');
cmp_ok($r->{took}, '<', 1, 'at once');
kill 'TERM', $pid;
waitpid $pid, 0;



=== TEST 6: max_price
--- routes
ai_class capped { max_price input=2 output=4; retry_same off; max_wait off;
                  expose trail; }
ai_class input  { max_price input=1; retry_same off; max_wait off; }
ai_class narrow { max_price input=2 output=4; accounts b c; }
ai_class queued { max_price input=2; retry_same off; max_wait off;
                  queue 10s; expose trail; }
ai_route m       { target b; target a tier=2; }
ai_route dear    { target b; }
ai_route unknown { target c; }
ai_route saved   { target b; backup dear unknown small; }
ai_route small   { target b model=little; }
--- check
way('m', undef, '200 b', 'any class');
way('m', 'capped', '200 a', 'the limit itself is not above it');

for my $model (qw(dear unknown)) {
    my $r = way($model, 'capped', '403 -', "$model: nobody is left");
    is($r->{error}{code}, 'model_not_available_for_class', "$model: its code");
    is($r->{error}{message},
       qq(the model "$model" is too dear for class "capped"),
       "$model: its words");
    is($r->{error}{param}, 'model', "$model: its param");
}
is(ask('m', 'input')->{status}, 403, 'the input alone');
is(ask('m', 'narrow')->{error}{message},
   'the model "m" is too dear for class "narrow"', 'price and accounts');

# a backup model that is cheap enough may answer
my $r = way('saved', 'capped', '200 b', 'a cheap backup');
is("@{$r->{headers}}{qw(x-ai-model x-ai-fallback)}", 'little backup',
   '... and which');

# nobody waits for what will never be cheap enough
provider_fault('b', 'status=429 retry_after=30');
$r = way('saved', 'queued', '429 b', 'a backup that fails');
cmp_ok($r->{took}, '<', 5, 'no queue');
like($r->{error}{message}, qr/others are too dear for its class/, '... why');



=== TEST 7: what the request itself says
--- routes
ai_route m     { target b weight=100; target a; }
ai_route dear  { target b; backup m; }
ai_route c     { target c; }
--- check
my $max = '"provider":{"max_price":{"prompt":"2","completion":4}},';

way('m', undef, '200 a', 'max_price', more => $max) for 1 .. 3;
my $r = way('dear', undef, '200 a', 'max_price: a backup', more => $max);
is($r->{headers}{'x-ai-fallback'}, 'backup', '... it is');

for my $model ('dear', 'c') {
    my $none = $max;
    $none =~ s/"provider":\{/$&"allow_fallbacks":false,/;
    my $r = way($model, undef, '400 -', "$model: nobody", more => $none);
    is("$r->{error}{code} $r->{error}{param}",
       'invalid_request_error provider.max_price', "$model: its code");
    is($r->{error}{message}, '"provider.max_price" leaves no account that '
       . qq(serves the model "$model"), "$model: its words");
}

is(first(6, 'm', more => '"provider":{"sort":"price"},'), 'a6', 'sort');



=== TEST 8: families
--- routes
ai_class same { allow_family_switch off; expose trail; retry_same off;
                max_wait off; }
ai_route gpt-4o       { target a; backup claude-x org/GPT-mini; }
ai_route claude-x     { target b; }
ai_route org/GPT-mini { target c; }
ai_route gpt-5        { target a; backup claude-x 4o; }
ai_route 4o           { target b; }
ai_route named        { target a; family gpt; backup gpt-x; }
ai_route gpt-x        { target b; family other; backup 4x; }
ai_route 4x           { target c; family OTHER; }
--- check
provider_fault('a', '500');
way('gpt-4o', undef, '200 a,b', 'any class: the first backup');
way('gpt-4o', 'same', '200 a,c', 'the first of the family');
way('gpt-5', 'same', '502 a', 'none of the family, or not known');
way('named', 'same', '502 a', 'the family is what is written');
provider_fault('b', '500');
way('gpt-x', 'same', '200 b,c', 'without a case');



=== TEST 9: least_cost
--- routes
ai_route cheap  { balance least_cost; target b weight=100; target a; }
ai_route tie    { balance least_cost; target a weight=3;
                  target b model=same; target c weight=100; }
ai_route none   { balance least_cost; target c weight=100; target b; }
ai_route tiers  { balance least_cost; target b; target a tier=2; }
ai_route length { balance least_cost; target a; target b model=flat; }
ai_route even   { balance least_cost; target c; target c model=x; target a; }
--- check
is(first(8, 'cheap'), 'a8', 'the cheapest, whatever its weight');
is(first(8, 'tie'), 'a6 b2', 'among equals by weight');
is(first(8, 'none'), 'b8', 'what has no price comes last');
is(first(4, 'tiers'), 'b4', 'within a tier');
is(first(4, 'length', prompt => 4000, more => '"max_tokens":10,'), 'b4',
   'by this request: a long prompt');
is(first(4, 'length', prompt => 4000, more => '"max_tokens":1000,'), 'a4',
   'by this request: a long answer');

provider_fault('a', '500');
way('cheap', undef, '200 a,b', 'then the next');
way('even', undef, '200 a,c', 'and then what has no price');
