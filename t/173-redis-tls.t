# Copyright (C) nginx-ai-route contributors

# Usage records over TLS: what is verified, and that it works as without.

BEGIN {
    unless (grep { -x "$_/redis-server" } split /:/, $ENV{PATH}) {
        print "1..0 # SKIP redis-server is not installed\n";
        exit;
    }
}

use lib 't/lib';
use AIRoute providers => ['a'];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient qw(ask statuses);
use AIRedis;
use AIServer;
use AIStatus;
use AIWorkers;

use Time::HiRes qw(sleep);

my $tmp = tmp_dir();

AIRoute::certificates();

my @tls = ('--tls-cert-file', "$tmp/cert.pem", '--tls-key-file',
           "$tmp/key.pem", '--tls-ca-cert-file', "$tmp/ca.pem");
my @cli = ('--tls', '--cacert', "$tmp/ca.pem", '--cert', "$tmp/cert.pem",
           '--key', "$tmp/key.pem");

cli_options(@cli);
server_up('t', '--port', '0', '--tls-port', AIRedis::reserve('t'),
          '--tls-auth-clients', 'no', '--bind', '127.0.0.1 127.0.0.2', @tls);
server_up('both', '--port', '0', '--tls-port', AIRedis::reserve('both'),
          '--tls-auth-clients', 'yes', @tls);
cli_options();
server_up('plain');
cli_options(@cli);

my $http = <<'END';
ai_class default { retry_same off; max_wait off; }
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 16;
    ai_account provider=vllm base=http://a.test/v1; }
ai_route m { target a; }
END

check_blocks(http => sub { 'ai_usage ' . $_[0]->usage . ";\n$http" },
             no_error_log => sub {
                 [defined $_[0]->lossy ? () : qr/records (?:lost|dropped)/]
             },
             reset => ['a'], perl => sub { eval shift });

sub asks {
    my ($n, $what) = @_;
    my @r = map { ask() } 1 .. $n;

    is(statuses(@r), "200:$n", "$what: all $n were served");
}

sub has {
    my ($n, $what, @where) = @_;

    wait_for(15, sub { requests_in(@where) >= $n });
    is(requests_in(@where), $n, "$what: $n are recorded");
}

sub refused {
    my $why = shift;

    asks(3, 'refused');
    ok(wait_for(5, sub { log_has(qr/does not take records: (?:$why)/) }),
       "refused: $why");
    sleep 0.6;
    is(log_count(qr/does not take records|SSL_do_handshake/), 1,
       'the log says it once');
    is(requests_in($_), 0, "$_ has nothing") for qw(t both);

    nginx_signal('TERM');
    ok(wait_for(8, \&nginx_is_gone), 'nginx is gone');
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: verified by name
--- usage: rediss://localhost:$TEST_NGINX_T/1 trusted=$TEST_NGINX_TMP/ca.pem
--- check
asks(20, 'TLS');
cli_options(@cli, '-n', 1);
has(20, 'TLS', 't');
server_cli('t', 'FLUSHALL');
cli_options(@cli);



=== TEST 2: verified by address
--- usage: redis://127.0.0.1:$TEST_NGINX_T tls=on trusted=$TEST_NGINX_TMP/ca.pem
--- check
asks(5, 'address');
has(5, 'address', 't');
server_cli('t', 'FLUSHALL');



=== TEST 3: an address that the certificate does not have
--- usage: rediss://127.0.0.2:$TEST_NGINX_T trusted=$TEST_NGINX_TMP/ca.pem
--- check
refused('certificate does not match the address');
--- lossy



=== TEST 4: another name
--- usage: rediss://127.0.0.1:$TEST_NGINX_T sni=cache.test trusted=$TEST_NGINX_TMP/ca.pem
--- check
# "*.test" is a wildcard for a top-level domain, which OpenSSL refuses
refused('certificate does not match the name');
--- lossy



=== TEST 5: a certificate that nobody trusts
--- usage: rediss://localhost:$TEST_NGINX_T
--- check
refused('unable to get local issuer certificate|self.signed certificate');
--- lossy



=== TEST 6: verify=off
--- usage: rediss://127.0.0.1:$TEST_NGINX_T sni=cache.test verify=off
--- check
asks(5, 'not verified');
has(5, 'not verified', 't');
server_cli('t', 'FLUSHALL');



=== TEST 7: a client certificate
--- usage: rediss://localhost:$TEST_NGINX_BOTH trusted=$TEST_NGINX_TMP/ca.pem certificate=$TEST_NGINX_TMP/cert.pem certificate_key=$TEST_NGINX_TMP/key.pem
--- check
asks(5, 'client certificate');
has(5, 'client certificate', 'both');
server_cli('both', 'FLUSHALL');



=== TEST 8: none, where one is wanted
--- usage: rediss://localhost:$TEST_NGINX_BOTH trusted=$TEST_NGINX_TMP/ca.pem
--- check
refused('.');
--- lossy



=== TEST 9: TLS where there is none
# Redis waits for a line's end, or takes a byte of the hello for one.
--- usage: rediss://localhost:$TEST_NGINX_PLAIN trusted=$TEST_NGINX_TMP/ca.pem
--- check
refused('TLS handshake failed|SSL_do_handshake\(\) failed|connect timed out'
        . '|connection');
--- lossy



=== TEST 10: none where there is TLS
--- usage: redis://127.0.0.1:$TEST_NGINX_T
--- check
refused('.');
--- lossy



=== TEST 11: killed under load, and a long queue after it
# The socket and OpenSSL's records fill up on the way.
--- usage: rediss://localhost:$TEST_NGINX_T trusted=$TEST_NGINX_TMP/ca.pem
--- timeout: 60
--- check
my @fh = traffic(4, 100);
sleep 0.2;
server_cli('t', 'CLIENT', 'KILL', 'TYPE', 'normal');
is(served(@fh), 400, 'all were served');
has(400, 'cut', 't');

server_down('t', 'KILL');
@fh = traffic(4, 500);
is(served(@fh), 2000, 'all were served meanwhile');
server_up('t');
has(2000, 'the queue', 't');

# and at the end, without the event loop
server_cli('t', 'FLUSHALL');
server_cli('t', 'CLIENT', 'PAUSE', '300', 'WRITE');
asks(20, 'at the end');
nginx_signal('TERM');
ok(wait_for(8, \&nginx_is_gone), 'nginx is gone');
has(20, 'at the end', 't');



=== TEST 12: pins are read over TLS, too
--- usage: rediss://localhost:$TEST_NGINX_T/1 trusted=$TEST_NGINX_TMP/ca.pem pins=on
--- check
ok(wait_for(8, sub { status('section=pins')->{pins}{reading} }), 'reading');
is(ask(path => '/v1/responses')->{status}, 200, 'stored') for 1 .. 3;
ok(wait_for(8, sub { status('section=pins')->{pins}{entries} >= 3 }), 'read');
server_cli('t', 'CLIENT', 'KILL', 'TYPE', 'normal');
is(ask(path => '/v1/responses')->{status}, 200, 'stored') for 1 .. 3;
ok(wait_for(8, sub { status('section=pins')->{pins}{entries} >= 6 }),
   'and again');
