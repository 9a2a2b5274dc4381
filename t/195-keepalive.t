# Copyright (C) nginx-ai-route contributors

# Connections to providers are used again, on every version of nginx: since
# 1.29.7 the cache, if it is "local" (which a block that says nothing has), asks
# whose configuration a connection was made with, and a request of ours has a
# copy of its own.  A mistake there goes unseen in answers; it shows in the
# number of connections alone.

use lib 't/lib';
use AIRoute providers => [qw(a b)], tls => ['s'];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;

our $local = nginx_version() >= 1029007;
our $keep = $local ? 'keepalive 8 local;' : 'keepalive 8;';

my $http = <<"END" =~ s/\bPROVIDER_/\$TEST_NGINX_PROVIDER_/gr;
ai_usage off;
ai_class default { retry_same off; max_wait off; }
ai_breaker failures=0 rate=100;

upstream a { server 127.0.0.1:PROVIDER_A; $keep
    ai_account provider=compatible base=http://a/v1; }
upstream b { server 127.0.0.1:PROVIDER_B; $keep
    ai_account provider=compatible base=http://b/v1; }
upstream s { server 127.0.0.1:PROVIDER_S; $keep
    ai_account provider=compatible base=https://localhost/v1
               trusted=\$TEST_NGINX_CA; }

ai_route m { target a; target b tier=2; }
ai_route s { target s; }
END

check_blocks(http => $http, reset => [qw(a b s)],
             config => "location /v2/ { ai_pass; }\n",
             perl => sub { eval shift });

# Requests of many shapes: their copies should not lie at the same address by
# chance.

sub shapes {
    my ($n, @same) = @_;

    return map {
        my $i = $_;
        ask(stream => $i % 2,
            more => '"user":"' . 'x' x ($i * 37 % 5000) . '",',
            head => join('', map { "X-Pad-$_: " . 'y' x ($i * 7 % 90) . "\r\n" }
                                 1 .. $i * 11 % 60),
            @same);
    } 1 .. $n;
}

# none or one fewer, where a connection was open before the counters' reset

sub connections {
    my ($name, $most, $what) = @_;

    cmp_ok(stats($name)->{connections}, '<=', $most, $what);
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: one after the other on one connection
--- check
my @r = shapes(60);
is(statuses(@r), '200:60', 'all are served');
is(requests('a'), 60, 'by a');
connections('a', 1, 'on one connection');



=== TEST 2: failed attempts and the account that stands in
--- check
provider_fault('a', '503');
my @r = shapes(30);
is(statuses(@r), '200:30', 'all are served');
is(requests('b'), 30, 'by b');
is(requests('a'), 30, 'a was asked');
connections('a', 1, 'a: on one connection');
connections('b', 1, 'b: on one connection');



=== TEST 3: over TLS
--- check
my @r = shapes(30, model => 's');
is(statuses(@r), '200:30', 'all are served');
connections('s', 1, 'on one connection');



=== TEST 4: as many as are in flight, and no more
--- check
my @r;
for my $round (1 .. 10) {
    my @q = map { open_request(stream => 1, head => "X-Sim: delay=5\r\n") }
                1 .. 4;
    push @r, map { answer($_) } @q;
}
is(statuses(@r), '200:40', 'all are served');
connections('a', 4, 'four at a time on four connections');



=== TEST 5: another location has the same account's connections
--- check
my @r = map { ask(path => $_ % 2 ? '/v1/chat/completions'
                                 : '/v2/chat/completions') } 1 .. 30;
is(statuses(@r), '200:30', 'all are served');
connections('a', 1, 'on one connection');



=== TEST 6: an account has no connection of another one at the same server
# A credential that a provider ties to a connection must not serve others.
--- routes
upstream one { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://one/v1; }
upstream two { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://two/v1; }
ai_route one { target one; }
ai_route two { target two; }
--- check
my @r = map { ask(model => $_ % 2 ? 'one' : 'two') } 1 .. 30;
is(statuses(@r), '200:30', 'all are served');
is(requests('a'), 30, 'by one server');
is(stats('a')->{connections}, 2, 'on two connections');



=== TEST 7: a block that says nothing of keepalive has nginx's default
--- routes
upstream plain { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
    ai_account provider=compatible base=http://plain/v1; }
ai_route plain { target plain; }
--- check
my @r = shapes(30, model => 'plain');
is(statuses(@r), '200:30', 'all are served');
is(stats('a')->{connections}, $local ? 1 : 30,
   $local ? 'connections are kept' : 'a connection each');
