# Copyright (C) nginx-ai-route contributors

# What SDKs go by when they are refused, beside the status: whether to try
# again, and the request's id under the name that they look for.  t/sdk has the
# SDKs themselves.

use lib 't/lib';
use AIRoute providers => ['a'];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;

use Digest::SHA qw(sha256_hex);

my $keys = join '', map {
    my ($id, $limit) = @$_;
    "ai_key $id hash=sha256:" . sha256_hex("s3cr3t-$id") . " $limit;\n"
} [free => ''], [day => 'requests=1r/d'], [second => 'requests=1r/s'],
  [money => 'budget=0.000001usd/day'], [total => 'budget=0.000001usd/total'],
  [old => 'expires=2020-01-01T00:00:00Z'], [slow => 'classes=slow'];

check_blocks(http => <<"END", reset => ['a'], perl => sub { eval shift });
ai_usage off;
$keys
ai_price * input=1 output=1;
ai_class slow { }
ai_class quick { }
upstream a { server 127.0.0.1:\$TEST_NGINX_PROVIDER_A; keepalive 4;
    ai_account provider=compatible base=http://a/v1; }
upstream claude { server 127.0.0.1:\$TEST_NGINX_PROVIDER_A; keepalive 4;
    ai_account provider=anthropic base=http://a/v1; }
ai_route m { target a; }
ai_route c { target claude; }
END

sub as {
    my ($key, %o) = @_;

    return ask(%o, head => "x-api-key: s3cr3t-$key\r\n" . ($o{head} || ''));
}

# status, Retry-After, x-should-retry
sub told {
    my $r = as(@_);

    return join ' ', $r->{status},
           map { defined ? $_ : '-' } @{ $r->{h} }{qw(retry-after
                                                      x-should-retry)};
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: whether to try again
--- check
is(told('free'), '200 - -', 'nothing of it with an answer');
like(told('money'), qr/^429 \d+ false$/, 'money, tomorrow');
is(told('total'), '429 - false', 'money that never comes back');
is(told('total', path => '/v1/messages', model => 'c'), '429 - false',
   '... in Anthropic\'s words');
is(told('total', stream => 1), '429 - false', '... of a stream');
is(told('day'), '200 - -', 'the one request of the day');
like(told('day'), qr/^429 8\d{4} false$/, 'a rate, tomorrow');
my @r = map { $_->{status} == 429 ? "$_->{h}{'retry-after'} "
                                    . $_->{h}{'x-should-retry'} : () }
        ask_all(([head => "x-api-key: s3cr3t-second\r\n"]) x 3);
is("@r", '1 true 1 true', 'a rate, soon');
is(told('old'), '401 - -', 'an expired key: the status tells it');
is(told('slow', class => 'quick'), '403 - -', 'a class, likewise');



=== TEST 2: the request's id in Anthropic's spelling
--- check
for (['free', 200], ['free', 400, body => '{'], ['none', 401], ['old', 401],
     ['slow', 403, class => 'quick'], ['total', 429])
{
    my ($key, $status, %o) = @$_;
    my $r = as($key, path => '/v1/messages', model => 'c', %o);

    is("$r->{status} $r->{h}{'request-id'}", "$status $r->{id}",
       "$status: request-id");
    is($r->{h}{'x-request-id'}, $r->{id}, '... and x-request-id');
}
my $r = as('free', path => '/v1/messages', model => 'c', stream => 1);
is($r->{h}{'request-id'}, $r->{id}, 'a stream');
is(as($_)->{h}{'request-id'}, undef, "not elsewhere: $_") for qw(free total);
