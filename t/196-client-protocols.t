# Copyright (C) nginx-ai-route contributors

# What newer versions of nginx speak to clients: HTTP/2 with "http2 on", since
# 1.25.1 (the parameter of "listen" is what other tests use, and what older
# versions have), and HTTP/3, which needs a curl that speaks it.  Neither is
# known to the module; this is about what surrounds it.

use lib 't/lib';
use AIRoute providers => [qw(a b)], tls => ['s'];

our (@protocols, $server);

BEGIN {
    $ENV{TEST_NGINX_H2} = free_port();
    $ENV{TEST_NGINX_H3} = free_port();

    my $nginx = $ENV{TEST_NGINX_BINARY} || 'nginx';

    if (nginx_version() >= 1025001 && `$nginx -V 2>&1` =~ /http_v2_module/) {
        push @protocols, 2;
        $server .= 'listen 127.0.0.1:$TEST_NGINX_H2; http2 on;';
    }

    if (`$nginx -V 2>&1` =~ /http_v3_module/ && `curl -V` =~ /HTTP3/) {
        push @protocols, 3;
        $server .= 'listen 127.0.0.1:$TEST_NGINX_H3 quic;';
    }

    unless (@protocols) {
        print "1..0 # SKIP nginx before 1.25.1\n";
        exit;
    }
}

use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;

Test::More::note("versions of HTTP: @protocols");

my $http = <<"END";
ai_usage off;
ai_class default { retry_same off; max_wait off; }
ai_breaker failures=0 rate=100;

upstream a { server 127.0.0.1:\$TEST_NGINX_PROVIDER_A; keepalive 4;
    ai_account provider=compatible base=http://a/v1; }
upstream b { server 127.0.0.1:\$TEST_NGINX_PROVIDER_B; keepalive 4;
    ai_account provider=compatible base=http://b/v1; }
ai_route m { target a; target b tier=2; }

server {
    $server
    ssl_certificate \$TEST_NGINX_TMP/cert.pem;
    ssl_certificate_key \$TEST_NGINX_TMP/key.pem;
    client_max_body_size 64m;
    location /v1/ { ai_pass; }
}
END

check_blocks(http => $http, reset => [qw(a b)],
             perl => sub { eval shift });

no_long_string();
run_tests();

__DATA__

=== TEST 1: answers
--- check
for my $v (@protocols) {
    my $r = ask(version => $v);
    is("$r->{status} $r->{complete} $r->{h}{'x-ai-account'}", '200 1 a',
       "HTTP/$v: served");
    is(normal($r->{body}), normal(direct('a', '')->{body}), "HTTP/$v: body");

    my @r = ask_all(map { [version => $v] } 1 .. 5);
    is(statuses(@r), '200:5', "HTTP/$v: five at once");
}



=== TEST 2: streams
--- check
for my $v (@protocols) {
    my $r = ask(version => $v, stream => 1);
    is("$r->{status} $r->{complete}", '200 1', "HTTP/$v: served");
    like($r->{body}, qr/\Adata: .*\ndata: \[DONE\]\n\n\z/s,
         "HTTP/$v: from its beginning to its end");

    $r = ask(version => $v, stream => 1, head => "X-Sim: cut=2\r\n");
    is("$r->{status} $r->{complete}", '200 1', "HTTP/$v: cut, but complete");
    like($r->{body}, qr/\n\ndata: \{.*"error".*\}\n\n\z/,
         "HTTP/$v: cut: an error event");
}



=== TEST 3: failover
--- check
for my $v (@protocols) {
    for my $stream (0, 1) {
        accounts_open(qw(a b));
        provider_fault('a', 'times=1 503');
        my $r = ask(version => $v, stream => $stream);
        is("$r->{status} $r->{complete} $r->{h}{'x-ai-account'}", '200 1 b',
           "HTTP/$v, stream $stream: b stands in");
    }
}



=== TEST 4: refusals
--- check
for my $v (@protocols) {
    my $r = ask(version => $v, model => 'nope');
    is("$r->{status} $r->{complete} $r->{h}{'content-type'}",
       '404 1 application/json', "HTTP/$v: unknown model");
    like($r->{body}, qr/"request_id":"$r->{id}"/, "HTTP/$v: with the id");

    $r = ask(version => $v, method => 'PUT');
    is("$r->{status} $r->{h}{allow}", '405 POST', "HTTP/$v: wrong method");
}



=== TEST 5: large requests, also when they are sent twice
--- check
for my $v (@protocols) {
    for my $kb (300, 3000) {
        my $body = '{"model":"m","messages":[{"role":"user","content":"'
                   . 'x' x ($kb * 1024) . '"}]}';
        accounts_open(qw(a b));
        provider_fault('a', 'times=1 503');
        my $file = tmp_dir() . '/large';
        open my $fh, '>', $file or die "$file: $!\n";
        print $fh $body;
        close $fh;
        my $r = ask(version => $v, body => "\@$file");
        is("$r->{status} $r->{h}{'x-ai-account'}", '200 b',
           "HTTP/$v: $kb KB, served");
        is(seen($_)->{body_bytes}, length $body, "HTTP/$v: $kb KB to $_")
            for qw(a b);
    }
}



=== TEST 6: a client that leaves
--- check
for my $v (@protocols) {
    provider_reset('a');
    my $r = ask(version => $v, stream => 1, max => 2,
                head => "X-Sim: words=1000 gap=50\r\n");
    like($r->{body}, qr/word1/, "HTTP/$v: it has seen something");
    ok(wait_for(5, sub { stats('a')->{aborted} }),
       "HTTP/$v: the provider is told");
}
