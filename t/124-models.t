# Copyright (C) nginx-ai-route contributors

# The list of models: context windows, longest answers and prices, in the
# spelling of Vercel's AI gateway; what is not known is left out.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;

use Digest::SHA qw(sha256_hex);
use JSON::PP ();

my $json = JSON::PP->new->utf8;
my $tmp = tmp_dir();

open my $fh, '>', "$tmp/prices.json" or die "$tmp: $!\n";
print $fh <<'END';
{"full": {"input_cost_per_token": 2.5e-6, "output_cost_per_token": "1e-05",
     "cache_read_input_token_cost": 1.25e-6,
     "cache_creation_input_token_cost": 3.125e-6,
     "cache_creation_input_token_cost_above_1hr": 9,
     "input_cost_per_token_batches": 9, "input_cost_per_token_priority": 9,
     "input_cost_per_token_above_128k_tokens": 9,
     "max_input_tokens": 128000, "max_output_tokens": 16384},
 "plain": {"input_cost_per_token": 1.5e-7, "output_cost_per_token": 6e-7,
     "max_input_tokens": 8192},
 "hit": {"input_cost_per_token": 1, "output_cost_per_token": 2,
     "input_cost_per_token_cache_hit": 0.1, "max_output_tokens": 7},
 "half": {"input_cost_per_token": 2e-8, "max_input_tokens": 8191},
 "free": {"input_cost_per_token": 0, "output_cost_per_token": 0.0},
 "least": {"input_cost_per_token": 1e-12,
     "output_cost_per_token": 3.3333333333333335e-05},
 "most": {"input_cost_per_token": 1e6, "output_cost_per_token": 999999.5,
     "cache_read_input_token_cost": 123456.789012345678,
     "cache_creation_input_token_cost": 999999.999999999999,
     "max_input_tokens": 1000000000, "max_output_tokens": 1000000000},
 "ranges": {"tiered_pricing": [
     {"range": [0, 1000], "input_cost_per_token": 1e-6,
      "output_cost_per_token": 2e-6},
     {"range": [1000, 1e6], "input_cost_per_token": 3e-6,
      "output_cost_per_token": 4e-6}]},
 "picture": {"output_cost_per_image": 0.04},
 "bare": {"max_input_tokens": 77, "max_output_tokens": 0},
 "family-a": {"max_input_tokens": 100, "max_output_tokens": 10},
 "family-b": {"max_input_tokens": 200, "max_output_tokens": 20},
 "groq/prefixed": {"input_cost_per_token": 5e-6, "output_cost_per_token": 6e-6,
     "max_input_tokens": 5, "max_output_tokens": 6}}
END
close $fh;

my $accounts = <<'END';
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=groq base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B;
    ai_account provider=mistral base=http://b/v1;
    ai_price own input=0.123456 output=1000000000000 cache_write=0.5; }
ai_route spare { target b; }
END

check_blocks(
    http => sub {
        my $routes = $_[0]->routes;
        $routes =~ s/%([A-Z]+)%/sha256_hex(lc $1)/ge
            and $_[0]->set_value('routes', $routes);
        return "ai_usage off;\n$accounts";
    },
    perl => sub { eval shift });

sub get { return ask(method => 'GET', path => "/v1/models/$_[0]", body => '') }

sub one { return $json->decode(get($_[0])->{body}) }

# members beyond OpenAI's

sub more {
    my %m = %{ ref $_[0] ? $_[0] : one($_[0]) };

    delete @m{qw(id object created owned_by)};
    return \%m;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: what the map says of a model
--- routes
ai_prices $TEST_NGINX_TMP/prices.json;
ai_route * { target a; }
--- check
my %want = (
    full => { context_window => 128000, max_tokens => 16384, pricing => {
        input => '0.0000025', output => '0.00001',
        input_cache_read => '0.00000125',
        input_cache_write => '0.000003125' } },
    plain => { context_window => 8192,
               pricing => { input => '0.00000015', output => '0.0000006' } },
    hit => { max_tokens => 7, pricing => { input => '1', output => '2',
                                           input_cache_read => '0.1' } },
    half => { context_window => 8191, pricing => { input => '0.00000002' } },
    free => { pricing => { input => '0', output => '0' } },
    least => { pricing => { input => '0.000000000001',
                            output => '0.000033333333' } },
    most => { context_window => 1000000000, max_tokens => 1000000000,
              pricing => { input => '1000000', output => '999999.5',
                           input_cache_read => '123456.789012345678',
                           input_cache_write => '999999.999999999999' } },
    ranges => { pricing => { input => '0.000001', output => '0.000002' } },
    picture => {},
    bare => { context_window => 77 },
    prefixed => { context_window => 5, max_tokens => 6, pricing => {
        input => '0.000005', output => '0.000006' } },
    stranger => {},
);
is_deeply(more($_), $want{$_}, $_) for sort keys %want;
like(get('full')->{body}, qr/"pricing":\{"input":"0\.0000025",/,
     'texts, not numbers');



=== TEST 2: the list has the same
--- routes
ai_prices $TEST_NGINX_TMP/prices.json;
ai_route full free stranger most full-* { target a; }
ai_route own picture { target b; }
--- check
my $r = ask(method => 'GET', path => '/v1/models', body => '');
my $list = $json->decode($r->{body})->{data};
is(join(' ', map { $_->{id} } @$list),
   'free full most own picture spare stranger', 'names');
is_deeply($_, one($_->{id}), "$_->{id} as it is alone") for @$list;
is_deeply(one('own'), { id => 'own', object => 'model', created => 0,
    owned_by => 'mistral', pricing => {
        input => '0.000000123456', output => '1000000',
        input_cache_write => '0.0000005' } }, 'ai_price, exactly');



=== TEST 3: window in the route, before the map
--- routes
ai_prices $TEST_NGINX_TMP/prices.json;
ai_route full     { target a; window 32k; }
ai_route stranger { target a; window 1m; }
--- check
is_deeply(more('full')->{context_window}, 32000, 'smaller than the map says');
is(more('full')->{max_tokens}, 16384, 'the rest is the map\'s');
is_deeply(more('stranger'), { context_window => 1000000 }, 'without the map');



=== TEST 4: names of one route are not confused
--- routes
ai_prices $TEST_NGINX_TMP/prices.json;
ai_route family-a family-* { target a; }
ai_route full plain { target a; }
--- check
is_deeply(more('family-a'), { context_window => 100, max_tokens => 10 },
          'a full name');
is_deeply(more('family-b'), { context_window => 200, max_tokens => 20 },
          'one that a pattern stands for');
is_deeply(more('family-c'), {}, 'one that nobody knows');
is(more('full')->{context_window}, 128000, 'two full names, the first');
is(more('plain')->{context_window}, 8192, '... the second');



=== TEST 5: several targets: limits that they share, the first one's price
--- routes
ai_prices $TEST_NGINX_TMP/prices.json;
ai_route first   { target b model=own tier=2; target a model=full; }
ai_route second  { target b model=own; target a model=full; }
ai_route unlike  { target a model=full; target b model=plain; }
ai_route unknown { target a; target b model=full; }
ai_route full    { target a model=deployment; target b; }
--- check
my $full = { context_window => 128000, max_tokens => 16384, pricing => {
    input => '0.0000025', output => '0.00001',
    input_cache_read => '0.00000125', input_cache_write => '0.000003125' } };
is_deeply(more('first'), $full, 'the first in the order of tiers');
is(one('first')->{owned_by}, 'groq', '... which is the owner');
is(more('second')->{pricing}{input}, '0.000000123456', 'as written');
is(more('second')->{context_window}, 128000, 'known of one target');
is(more('unlike')->{context_window}, undef, 'two windows are none');
is(more('unlike')->{max_tokens}, 16384, '... what only one knows');
is(more('unknown')->{pricing}, undef,
   'another target\'s price is not this one\'s');
is_deeply(more('full'), $full, 'by the client\'s name');



=== TEST 6: a backup that a pattern stands for has a window of its own
--- routes
ai_prices $TEST_NGINX_TMP/prices.json;
ai_class default { expose trail; max_wait off; retry_same off; }
ai_route family-a { target a; backup family-b; }
ai_route bare family-b* { target b; }
--- check
provider_reset('a');
provider_fault('a', 'status=400 code=context_length_exceeded');
my $r = ask(model => 'family-a');
is("$r->{status} $r->{h}{'x-ai-model'}", '200 family-b',
   '200 of family-b is more than 100, if 77 of bare is less');



=== TEST 7: neither a map nor prices
--- routes
ai_route full { target a; }
--- check
is_deeply(more('full'), {}, 'nothing is made up');



=== TEST 8: a price for all the rest
--- routes
ai_price * input=0 output=0;
ai_route full { target a; }
--- check
is_deeply(more('full'), { pricing => { input => '0', output => '0' } },
          'free is known');



=== TEST 9: what no class of the key has an account for is not there
--- routes
ai_price * input=1 output=2;
ai_class all { }
ai_class b { accounts b; }
ai_key b    hash=sha256:%B%    classes=b;
ai_key both hash=sha256:%BOTH% classes=all,b;
ai_key any  hash=sha256:%ANY%;
ai_key own  hash=sha256:%OWN%  classes=b models=full,big;
ai_route full full-* { target a; }
ai_route big { target a; backup spare; }
--- check
provider_reset('a');
my %want = (b => 'spare', both => 'big full spare', any => 'big full spare',
            own => '');
for my $key (sort keys %want) {
    my @key = (head => "x-api-key: $key\r\n");
    my $r = ask(method => 'GET', path => '/v1/models', body => '', @key);
    is(join(' ', map { $_->{id} } @{ $json->decode($r->{body})->{data} }),
       $want{$key}, $key);
    for my $model (qw(big full spare full-2 other)) {
        my $one = ask(method => 'GET', path => "/v1/models/$model",
                      body => '', @key);
        my $post = ask(model => $model, @key);
        is($one->{status}, $post->{status}, "$key: $model as it is served");
        next if $one->{status} == 200;
        is($json->decode($one->{body})->{error}{code},
           $json->decode($post->{body})->{error}{code}, '... and refused');
    }
}
