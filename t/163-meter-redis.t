# Copyright (C) nginx-ai-route contributors

# Metered requests of two workers in a real Redis: an entry each.

BEGIN {
    unless (grep { -x "$_/redis-server" } split /:/, $ENV{PATH}) {
        print "1..0 # SKIP redis-server is not installed\n";
        exit;
    }
}

use lib 't/lib';
use AIRoute providers => ['a'], redis => 1;
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;

workers(2);

my $http = <<'END';
ai_usage redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/0 stream=ai:usage;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1; }
ai_route m { target a; }
proxy_http_version 1.1;
proxy_set_header Connection "";
END

check_blocks(http => $http, reset => ['a'],
             config => "location /m/ { proxy_pass http://a; ai_meter on; }\n",
             perl => sub { eval shift });

no_long_string();
run_tests();

__DATA__

=== TEST 1: two workers, streams and answers, beside ai_pass
--- check
my $n = 200;
my @r = load(rate => 100, seconds => $n / 100, each => sub {
    my $i = shift;
    my $at = $i % 4 == 3 ? '/v1/' : '/m/';
    return (path => "${at}chat/completions", stream => $i % 2);
});
is(statuses(@r), "200:$n", 'all are served');
is(requests('a'), $n, 'by the provider');

wait_for(6, sub { usage_entries() >= $n });
my @rec = usage_entries();
is(scalar @rec, $n, 'an entry each');

my %by = map { $_->{request_id} => $_ } @rec;
is(scalar(keys %by), $n, 'each of its own');
is(scalar(grep { !$by{$_->{id}} } @r), 0, 'of each');

my %n;
$n{join ' ', $_->{route} || '-', $_->{stream}, $_->{usage_source},
        $_->{output_tokens}, $_->{outcome}}++ for @rec;
# the provider reports usage in streams only where it is asked to
is(join(', ', map { "$n{$_} $_" } sort keys %n),
   '100 - 0 provider 8 ok, 50 - 1 estimated 12 ok, 50 m 1 provider 8 ok',
   'what they say');
