# Copyright (C) nginx-ai-route contributors

# Accounts at https addresses: what is verified, what name is sent, and that a
# failed handshake is a failed attempt like any other.

use lib 't/lib';
use AIRoute providers => ['p'], tls => [qw(s t)], key => ['key-s'];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AILog;

use Digest::SHA ();
use JSON::PP ();
use Time::HiRes qw(time);

$ENV{AI_TEST_KEY} = 'key-s';

my $tmp = tmp_dir();

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

my $http = ai_log() . <<'END';
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
    $TEST_NGINX_NO_KEEPALIVE
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

check_blocks(http => $http, reset => [qw(p s t)],
             location => 'client_max_body_size 64m;'
                         . ' client_body_buffer_size 64k;',
             perl => sub { eval shift });

# status, account and attempts of an answer; nothing is remembered before
sub fresh {
    my ($model, %o) = @_;

    accounts_open(qw(good good2 wrong system stranger plain not_tls not_plain));
    my $r = ask(model => $model, %o);

    $r->{by} = join ' ', map { defined $_ ? $_ : '-' } $r->{status},
        @{ $r->{h} }{qw(x-ai-account x-ai-attempts)};
    return $r;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: a verified account, and the name that it is asked by
--- check
my $r = fresh('good');
is($r->{by}, '200 good 1', 'served');
my $last = seen('s');
is($last->{tls_sni}, 'good.test', 'SNI');
is($last->{h}{host}, 'good.test', 'Host');
is($last->{h}{authorization}, 'Bearer key-s', 'credential');
is($last->{uri}, '/v1/chat/completions', 'uri');

is(fresh('good2')->{by}, '200 good2 1', 'an address with a port');
$last = seen('t');
is($last->{tls_sni}, 'other.test', 'SNI has no port');
is($last->{h}{host}, 'other.test:8443', 'Host has the port');
is($last->{uri}, '/v2/chat/completions', 'uri');

# RFC 6066: no literal addresses in the name extension
is(fresh('address')->{by}, '200 address 1', 'an address as the name');
ok(!seen('s')->{tls_sni}, 'no SNI then') or diag(seen('s')->{tls_sni});



=== TEST 2: what does not verify is a failed attempt, and sees no request
--- check
my $r = fresh('to-plain');
is($r->{by}, '200 plain 4', 'three bad ones, then plain');
is(logged($r)->{trail}, 'wrong=502/connect,system=502/connect,'
   . 'stranger=502/connect,plain=200/ok', 'trail');
is(requests('s'), 0, 'nothing was sent to them');

$r = fresh('refused');
is($r->{by}, '502 stranger 2', 'when all fail');
like($r->{body}, qr/"code":"upstream_error"/, 'error.code');
is(requests('s'), 0, 'nothing was sent to them');
unlike($r->{body}, qr/certificate|wrong\.example/, 'no inner detail');
--- error_log eval
[qr/upstream SSL certificate does not match "wrong\.example"/,
 qr/upstream SSL certificate verify error/]



=== TEST 3: verify=off
--- check
is(fresh('lax')->{by}, '200 lax 1', 'served');
is(seen('s')->{tls_sni}, 'wrong.example', 'SNI is sent all the same');



=== TEST 4: TLS and plain accounts in one route
--- check
provider_fault('p', '503');
for my $more ('', '"stream":true,') {
    provider_reset(qw(s t));
    my $r = fresh('mixed', more => $more);
    is($r->{by}, '200 good2 3', 'bad TLS, plain with an error, good TLS');
    like($r->{body}, $more ? qr/word7.*\[DONE\]\s*\z/s : qr/word7.*\}\s*\z/s,
         'the whole answer');
    is(seen('p')->{tls}, JSON::PP::false(), 'plain was plain');
    is(seen('p')->{h}{host}, 'plain', '... by its name');
    like(seen('p')->{body}, qr/"model":"for-plain"/, '... and model');
    is(seen('t')->{tls_sni}, 'other.test', 'SNI of the last one');
    like(seen('t')->{body}, qr/"model":"mixed"/, '... and model');
    is(requests('s'), 0, 'nothing to the first one');
}



=== TEST 5: TLS where there is none, and none where there is TLS
--- check
# the plain server waits for more, so this is also a handshake that hangs
is(fresh('not-tls')->{by}, '200 good 2', 'a handshake with a plain server');
is(requests('p'), 0, 'no request there');
is(fresh('not-plain')->{by}, '200 good 2', 'a plain request to a TLS server');



=== TEST 6: failures of the answer over TLS
--- check
for my $sim ('429', '500', '500 nochunk bytewise', 'reset', 'close', 'garbage',
             'empty', 'cut=1')
{
    provider_fault('p', 'ok');
    provider_fault('t', $sim);
    like(logged(fresh('good2'))->{trail}, qr{^good2=\d+/(?!ok)\w+$},
         "$sim: alone");
}
for my $sim ('cut=2', 'cut_mid=2', 'reset_mid=2') {
    provider_fault('t', $sim);
    my $r = fresh('good2', stream => 1);
    like($r->{body}, qr/word1.*\n\ndata: \{"error":.*\}\n\n\z/s,
         "$sim: an honest end");
    unlike($r->{body}, qr/\[DONE\]/, "$sim: nothing invented");
}



=== TEST 7: connections are kept, sessions are resumed
--- check
fresh('good') for 1 .. 4;
is(requests('s'), 4, 'four requests');
is(stats('s')->{connections}, 1, 'one connection');

# its block has no keepalive
my @resumed;
for (1 .. 3) {
    is(fresh('resumed')->{by}, '200 resumed 1', 'served');
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
        my $t = time();
        my $r = fresh($model, more => qq("x":"$text",));
        my $by = $model eq 'good' ? 's' : 't';

        is($r->{status}, 200, "$size to $model: served");
        cmp_ok(time() - $t, '<', 3, "$size to $model: at once");
        is(seen($by)->{body_sha1},
           Digest::SHA::sha1_hex(qq({"model":"$model","x":"$text",)
                                 . '"messages":[]}'),
           "$size to $model: the same bytes");
    }
}
