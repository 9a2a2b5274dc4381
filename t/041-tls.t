# Copyright (C) nginx-ai-route contributors

# Accounts at https addresses: what is verified, what name is sent, and that a
# failed handshake is a failed attempt like any other.

use lib 't/lib';
use AIRoute providers => ['p'], tls => [qw(s t)], key => ['key-s'];
use Test::Nginx::Socket 'no_plan';

use Digest::SHA ();
use HTTP::Tiny ();
use JSON::PP ();

$ENV{AI_TEST_KEY} = 'key-s';

my $tmp = tmp_dir();
my $id = 0;

# the names of the accounts: OpenSSL takes no wildcard for a top-level name
my $names = join ',', map { "DNS:$_.test" } qw(good other resumed system);
system("cd '$tmp' && echo 'subjectAltName=$names' > names.ext"
       . ' && openssl x509 -req -days 2 -in cert.csr -CA ca.pem -CAkey ca.key'
       . ' -CAcreateserial -extfile names.ext -out cert.pem >/dev/null 2>&1')
    == 0 or die "openssl failed\n";
provider_stop($_), provider_start($_) for qw(s t);

# another CA, which signed nothing here
system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=other"
       . " -keyout '$tmp/other.key' -out '$tmp/other.pem' >/dev/null 2>&1") == 0
    or die "openssl failed\n";

my $http = <<'END';
log_format ai escape=none '$ai_request_id|$ai_trail';
access_log $TEST_NGINX_TMP/ai.log ai;

ai_usage off;

# one attempt per account, of which nothing is remembered
ai_class default { retry_same off; max_wait off; }

ai_breaker failures=0 rate=100;
upstream good { server 127.0.0.1:$TEST_NGINX_PROVIDER_S; keepalive 4;
    ai_account provider=openai base=https://good.test/v1 key=env:AI_TEST_KEY
               trusted=$TEST_NGINX_CA; }
upstream good2 { server 127.0.0.1:$TEST_NGINX_PROVIDER_T;
    ai_account provider=openai base=https://other.test:8443/v2
               key=env:AI_TEST_KEY trusted=$TEST_NGINX_CA; }
upstream wrong { server 127.0.0.1:$TEST_NGINX_PROVIDER_S;
    ai_account provider=openai base=https://wrong.example/v1
               key=env:AI_TEST_KEY trusted=$TEST_NGINX_CA; }
upstream system { server 127.0.0.1:$TEST_NGINX_PROVIDER_S;
    ai_account provider=openai base=https://system.test/v1
               key=env:AI_TEST_KEY; }
upstream stranger { server 127.0.0.1:$TEST_NGINX_PROVIDER_S;
    ai_account provider=openai base=https://good.test/v1 key=env:AI_TEST_KEY
               trusted=$TEST_NGINX_TMP/other.pem; }
upstream lax { server 127.0.0.1:$TEST_NGINX_PROVIDER_S;
    ai_account provider=openai base=https://wrong.example/v1
               key=env:AI_TEST_KEY verify=off; }
upstream address { server 127.0.0.1:$TEST_NGINX_PROVIDER_S;
    ai_account provider=openai base=https://127.0.0.1/v1 key=env:AI_TEST_KEY
               verify=off; }
upstream resumed { server 127.0.0.1:$TEST_NGINX_PROVIDER_S;
    ai_account provider=openai base=https://resumed.test/v1
               key=env:AI_TEST_KEY trusted=$TEST_NGINX_CA; }
upstream plain { server 127.0.0.1:$TEST_NGINX_PROVIDER_P; keepalive 4;
    ai_account provider=vllm base=http://plain/v1 key=env:AI_TEST_KEY; }
upstream not_tls { server 127.0.0.1:$TEST_NGINX_PROVIDER_P;
    ai_account provider=openai base=https://good.test/v1 key=env:AI_TEST_KEY
               trusted=$TEST_NGINX_CA; }
upstream not_plain { server 127.0.0.1:$TEST_NGINX_PROVIDER_S;
    ai_account provider=openai base=http://good.test/v1 key=env:AI_TEST_KEY; }

ai_route good      { target good; }
ai_route good2     { target good2; }
ai_route wrong     { target wrong; }
ai_route to-plain  { target wrong; target system tier=2; target stranger tier=3;
                     target plain tier=4; }
ai_route mixed     { target wrong; target plain tier=2 model=for-plain;
                     target good2 tier=3; }
ai_route lax       { target lax; }
ai_route address   { target address; }
ai_route resumed   { target resumed; }
ai_route not-tls   { target not_tls; target good tier=2; }
ai_route not-plain { target not_plain; target good tier=2; }
ai_route refused   { target wrong; target stranger tier=2; }
END

add_block_preprocessor(sub {
    my $block = shift;

    $block->set_value('http_config', $http);
    $block->set_value('config',
                      "location /v1/ { ai_pass; client_max_body_size 64m;\n"
                      . "  client_body_buffer_size 64k; }\n"
                      . "location /ai/ { ai_status "
                      . "admin=sha256:$ENV{TEST_NGINX_ADMIN}; }\n"
                      . "location = /up { return 204; }\n");
    $block->set_value('request', "GET /up\n");
    $block->set_value('error_code', 204);
});

add_response_body_check(sub {
    my ($block, undef, undef, undef, $dry_run) = @_;

    return if $dry_run || !defined $block->check;

    provider_reset(qw(p s t));
    eval '#line 1 "' . $block->name . "\"\n" . $block->check . "\n;1"
        or fail($block->name . " - check died: $@");
});

sub ask {
    my ($model, $more) = (@_, '');
    accounts_open(qw(good good2 wrong system stranger plain not_tls not_plain));
    my $r = HTTP::Tiny->new(keep_alive => 0, timeout => 20)->post(
        'http://127.0.0.1:' . server_port() . '/v1/chat/completions',
        { content => qq({"model":"$model",$more"messages":[]}),
          headers => { 'content-type' => 'application/json',
                       'x-request-id' => 'r' . ++$id } });

    $r->{by} = join ' ', map { defined $_ ? $_ : '-' } $r->{status},
        @{ $r->{headers} }{qw(x-ai-account x-ai-attempts)};
    return $r;
}

sub stats { return JSON::PP::decode_json(provider_get($_[0], '/__stats')) }

sub seen {
    my $last = JSON::PP::decode_json(provider_get($_[0], '/__last'));

    $last->{h} = { map { lc $_->[0] => $_->[1] } @{ $last->{headers} } };
    return $last;
}

# $ai_trail of an answer
sub trail {
    my $r = shift;

    return wait_for(3, sub {
        slurp("$tmp/ai.log")
            =~ /^\Q$r->{headers}{'x-request-id'}\E\|(.*)$/m ? "$1" : ''
    });
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: a verified account, and the name that it is asked by
--- check
my $r = ask('good');
is($r->{by}, '200 good 1', 'served');
my $last = seen('s');
is($last->{tls_sni}, 'good.test', 'SNI');
is($last->{h}{host}, 'good.test', 'Host');
is($last->{h}{authorization}, 'Bearer key-s', 'credential');
is($last->{uri}, '/v1/chat/completions', 'uri');

is(ask('good2')->{by}, '200 good2 1', 'an address with a port');
$last = seen('t');
is($last->{tls_sni}, 'other.test', 'SNI has no port');
is($last->{h}{host}, 'other.test:8443', 'Host has the port');
is($last->{uri}, '/v2/chat/completions', 'uri');

# RFC 6066: no literal addresses in the name extension
is(ask('address')->{by}, '200 address 1', 'an address as the name');
ok(!seen('s')->{tls_sni}, 'no SNI then') or diag(seen('s')->{tls_sni});



=== TEST 2: what does not verify is a failed attempt, and sees no request
--- check
my $r = ask('to-plain');
is($r->{by}, '200 plain 4', 'three bad ones, then plain');
is(trail($r), 'wrong=502/connect,system=502/connect,stranger=502/connect,'
            . 'plain=200/ok', 'trail');
is(stats('s')->{requests}, 0, 'nothing was sent to them');

$r = ask('refused');
is($r->{by}, '502 stranger 2', 'when all fail');
like($r->{content}, qr/"code":"upstream_error"/, 'error.code');
is(stats('s')->{requests}, 0, 'nothing was sent to them');
unlike($r->{content}, qr/certificate|wrong\.example/, 'no inner detail');
--- error_log eval
[qr/upstream SSL certificate does not match "wrong\.example"/,
 qr/upstream SSL certificate verify error/]



=== TEST 3: verify=off
--- check
is(ask('lax')->{by}, '200 lax 1', 'served');
is(seen('s')->{tls_sni}, 'wrong.example', 'SNI is sent all the same');



=== TEST 4: TLS and plain accounts in one route
--- check
provider_fault('p', '503');
for my $more ('', '"stream":true,') {
    provider_reset(qw(s t));
    my $r = ask('mixed', $more);
    is($r->{by}, '200 good2 3', 'bad TLS, plain with an error, good TLS');
    like($r->{content}, $more ? qr/word7.*\[DONE\]\s*\z/s : qr/word7.*\}\s*\z/s,
         'the whole answer');
    is(seen('p')->{tls}, JSON::PP::false(), 'plain was plain');
    is(seen('p')->{h}{host}, 'plain', '... by its name');
    like(seen('p')->{body}, qr/"model":"for-plain"/, '... and model');
    is(seen('t')->{tls_sni}, 'other.test', 'SNI of the last one');
    like(seen('t')->{body}, qr/"model":"mixed"/, '... and model');
    is(stats('s')->{requests}, 0, 'nothing to the first one');
}



=== TEST 5: TLS where there is none, and none where there is TLS
--- check
# the plain server waits for more, so this is also a handshake that hangs
is(ask('not-tls')->{by}, '200 good 2', 'a handshake with a plain server');
is(stats('p')->{requests}, 0, 'no request there');
is(ask('not-plain')->{by}, '200 good 2', 'a plain request to a TLS server');



=== TEST 6: failures of the answer over TLS
--- check
for my $sim ('429', '500', '500 nochunk bytewise', 'reset', 'close', 'garbage',
             'empty', 'cut=1')
{
    provider_fault('p', 'ok');
    provider_fault('t', $sim);
    like(trail(ask('good2')), qr{^good2=\d+/(?!ok)\w+$}, "$sim: alone");
}
for my $sim ('cut=2', 'cut_mid=2', 'reset_mid=2') {
    provider_fault('t', $sim);
    my $r = ask('good2', '"stream":true,');
    like($r->{content}, qr/word1.*\n\ndata: \{"error":.*\}\n\n\z/s,
         "$sim: an honest end");
    unlike($r->{content}, qr/\[DONE\]/, "$sim: nothing invented");
}



=== TEST 7: connections are kept, sessions are resumed
--- check
ask('good') for 1 .. 4;
is(stats('s')->{requests}, 4, 'four requests');
is(stats('s')->{connections}, 1, 'one connection');

# its block has no keepalive
my @resumed;
for (1 .. 3) {
    is(ask('resumed')->{by}, '200 resumed 1', 'served');
    push @resumed, seen('s')->{tls_session_reused} ? 1 : 0;
}
is("@resumed", '0 1 1', 'the session is reused over new connections');



=== TEST 8: large requests, in memory and in a file
# Without a flush at the end the tail of a large TLS request would wait in a
# buffer until send_timeout.
--- check
for my $size (15000, 16384, 60000, 300000, 3000000) {
    for my $model ('good', 'mixed') {
        provider_reset(qw(p s t));
        provider_fault('p', '500');
        my $text = join '', map { chr(97 + $_ % 26) x 100 } 1 .. $size / 100;
        my $t = Time::HiRes::time();
        my $r = ask($model, qq("x":"$text",));
        my $by = $model eq 'good' ? 's' : 't';

        is($r->{status}, 200, "$size to $model: served");
        cmp_ok(Time::HiRes::time() - $t, '<', 3, "$size to $model: at once");
        is(seen($by)->{body_sha1},
           Digest::SHA::sha1_hex(qq({"model":"$model","x":"$text",)
                                 . '"messages":[]}'),
           "$size to $model: the same bytes");
    }
}
