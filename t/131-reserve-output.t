# Copyright (C) nginx-ai-route contributors

# What is reserved for the output of a request without max_tokens: the
# class's reserve_output, of keys' and accounts' limits, and of money.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AIWorkers;

use Digest::SHA qw(sha256_hex);
use Time::HiRes qw(time sleep);

workers(2);

my $hash = sha256_hex('k');

# a dollar is a million tokens of output
my $http = <<"END";
ai_usage off;
ai_price * input=0 output=1;
ai_class default { expose trail; max_wait off; retry_same off; }
ai_class long    { expose trail; max_wait off; retry_same off;
                   reserve_output 4000; }
ai_class none    { expose trail; max_wait off; retry_same off;
                   reserve_output 0; }
upstream a { server 127.0.0.1:\$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1; %s }
upstream b { server 127.0.0.1:\$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }
ai_key k hash=sha256:$hash %s;
END

check_blocks(http => sub { sprintf $http, $_[0]->limit || '',
                                   $_[0]->keyed || '' },
             reset => [qw(a b)],
             perl => sub { eval shift });

sub key { return head => "Authorization: Bearer k\r\n", @_ }

no_long_string();
run_tests();

__DATA__

=== TEST 1: of a key's tokens
--- keyed chomp
tokens=1000000t/d
--- check
provider_fault('a', 'prompt=1 words=1');
my $size = sub { length qq({"model":"m","stream":true,$_[0]"messages":[]}) };

for (['default', '', 1024], ['long', '', 4000], ['none', '', 0],
     ['long', '"max_tokens":30,', 30], ['none', '"max_tokens":30,', 30],
     ['long', '"max_completion_tokens":70,', 70],
     ['long', '"max_output_tokens":90,', 90])
{
    my ($class, $more, $n) = @$_;
    my $r = ask(key(stream => 1, class => $class, more => $more));
    my $in = int $size->($more) / 4;

    is($r->{status}, 200, "$class $more: served");
    # two tokens are used each time, and eleven come back in a second
    between(1000000 - $r->{h}{'x-ratelimit-remaining-tokens'},
            $in + $n - 12, $in + $n + 12, "$class $more: reserved");
}



=== TEST 2: of a key's money
--- keyed chomp
budget=0.002usd/day
--- check
provider_fault('a', 'prompt=1 words=1');
is(ask(key(class => 'long'))->{status}, 429, '0.004 usd would be too much');
is(ask(key())->{status}, 200, '0.001024 usd would not');
is(ask(key(class => 'none'))->{status}, 200, 'nothing is reserved');
is(ask(key(class => 'long', more => '"max_tokens":30,'))->{status}, 200,
   'the request says how much');
is(requests('a'), 3, 'what was refused was not sent');



=== TEST 3: of an account's tokens
--- limit
ai_limit tokens=6000t/d;
--- check
provider_fault('a', 'words=4 gap=200');
my @q = map { open_request(key(class => 'long', stream => 1)) } 1, 2;
sleep 0.3;
is(requests('a'), 1, 'two are too much for the account');
push @q, open_request(key(stream => 1));
sleep 0.3;
is(requests('a'), 2, 'there is room for another class');
my @r = answers(@q);
is(statuses(@r), '200:3', 'all are served');
# whichever of the two comes first
my @way = map { way($_) } @r;
is(join(' ', sort(@way[0, 1]), $way[2]), 'a b a', 'where');



=== TEST 4: what it is taken to cost, for allow_costlier and max_price alike
--- limit
ai_price m input=0 output=1 request=0.001;
--- routes
ai_class cheap  { allow_costlier off; reserve_output 10; expose trail;
                  max_wait off; retry_same off; accounts b a; }
ai_class cheap2 { allow_costlier off; reserve_output 10000; expose trail;
                  max_wait off; retry_same off; accounts b a; }
ai_route n { target b; target a tier=2 model=m; }
ai_price n input=0 output=1.5;
--- check
# b costs 1.5 a token; a 1 a token and 0.001 usd: cheaper from 2000 tokens on
provider_fault('b', 500);
is(way(ask(key(model => 'n', class => 'cheap'))), 'b', 'a would be dearer');
is(way(ask(key(model => 'n', class => 'cheap2'))), 'b,a', 'a is cheaper');
