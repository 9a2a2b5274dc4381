# Copyright (C) nginx-ai-route contributors

# Client keys: who comes in, what they may use, what the others are told, and
# what the records say of them.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';

use Digest::SHA qw(sha256_hex);
use HTTP::Tiny ();
use IO::Socket::INET ();
use JSON::PP ();
use Time::HiRes qw(time sleep);

my $tmp = tmp_dir();
my ($id, $json) = (0, JSON::PP->new->utf8);

$ENV{TEST_NGINX_H2} = free_port();

# the hash of the key "s3cr3t-<name>"
sub hash { return 'sha256:' . sha256_hex("s3cr3t-$_[0]") }

my %keys = (
    all     => '',
    search  => '"app":"search-ui","team":"search","env":"prod"',
    off     => '"disabled":true',
    old     => '"expires":"2020-01-01T00:00:00Z","team":"past"',
    future  => '"expires":"9999-12-31T23:59:59Z"',
    mini    => '"models":["mini*","own"]',
    'no-backup' => '"models":["big"]',
    one     => '"classes":["slow"]',
    two     => '"classes":["slow","interactive"]',
    chosen  => '"classes":["slow","interactive"],'
               . '"default_class":"interactive"',
    default => '"default_class":"slow"',
);

open my $fh, '>', "$tmp/keys.json" or die "$tmp: $!\n";
print $fh '{"keys":[', join(",\n", map {
    qq({"id":"$_","hash":") . hash($_) . '"' . ($keys{$_} && ",$keys{$_}")
    . '}'
} sort keys %keys), "]}\n";
close $fh;

my $http = <<'END';
log_format ai escape=none
    '$ai_request_id|$status|$ai_key_id|$ai_app|$ai_team|$ai_class|'
    '$ai_outcome|$ai_error_class|$ai_model';
access_log $TEST_NGINX_TMP/ai.log ai;
ai_usage file:$TEST_NGINX_TMP/usage.jsonl;
ai_breaker failures=0 rate=100;
%KEYS%
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 4;
    ai_account provider=openai base=http://a.test/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 4;
    ai_account provider=mistral base=http://b.test/v1; }

ai_class interactive { }
ai_class slow { deadline 30s; }

ai_route mini mini-2024* { target a; }
ai_route own             { target b; window 128k; }
ai_route big             { target a; backup own; }
ai_route org/some/model  { target b; target a tier=2; }

server {
    listen 127.0.0.1:$TEST_NGINX_H2 http2;
    client_max_body_size 64m;
    location /v1/ { ai_pass; }
}
END

my $file = "ai_keys $tmp/keys.json;\n"
           . 'ai_key inline hash=' . hash('inline') . " team=ops models=own;";

add_block_preprocessor(sub {
    my $block = shift;
    my $keys = defined $block->keys ? $block->keys : $file;
    my $more = $block->http || '';

    (my $conf = $http) =~ s/%KEYS%/$keys/;
    $conf =~ s/hash\((\w+)\)/hash($1)/ge;

    $block->set_value('http_config', "# @{[$block->name]}\n$conf$more");
    $block->set_value('config', "location /v1/ { client_max_body_size 64m;\n"
                                . "    ai_pass; }\n"
                                . "location = /up { return 204; }\n");
    $block->set_value('request', "GET /up\n");
    $block->set_value('error_code', 204);
    # nothing of a secret or of its hash, in any log
    $block->set_value('no_error_log', [qr/s3cr3t/, qr/sha256/]);
});

add_response_body_check(sub {
    my ($block, undef, undef, undef, $dry_run) = @_;

    return if $dry_run || !defined $block->check;

    provider_reset(qw(a b));
    eval '#line 1 "' . $block->name . "\"\n" . $block->check . "\n;1"
        or fail($block->name . " - check died: $@");
});

# ask('name' => more): the answer to a chat request with this key; undef: none

sub ask {
    my ($key, %o) = @_;
    my %head = (defined $key ? (Authorization => "Bearer s3cr3t-$key") : (),
                %{ $o{head} || {} }, 'X-Request-ID' => 'r' . ++$id . "-$$");
    my $model = $o{model} || 'own';
    my $answer = HTTP::Tiny->new->request(
        $o{method} || 'POST',
        'http://127.0.0.1:' . server_port()
        . '/v1/' . ($o{path} || 'chat/completions'),
        { headers => { 'Content-Type' => 'application/json', %head },
          ($o{method} || 'POST') eq 'POST'
          ? (content => qq({"model":"$model","messages":[]})) : () });

    $answer->{json} = eval { $json->decode($answer->{content}) } || {};
    $answer->{id} = $head{'X-Request-ID'};
    my $error = $answer->{json}{error} || {};
    $answer->{code} = $error->{code} || '-';
    $answer->{says} = $error->{message};
    return $answer;
}

sub got { my $r = ask(@_); return "$r->{status} $r->{code}" }

# what was recorded of an answer

sub record {
    my $r = shift;
    my $entry;

    wait_for(3, sub {
        ($entry) = grep { $_->{request_id} eq $r->{id} }
                   map { $json->decode($_) }
                   split /\n/, slurp_lines("$tmp/usage.jsonl");
    });
    return $entry || {};
}

sub logged {
    my $r = shift;
    my $line;

    wait_for(3, sub {
        ($line) = slurp_lines("$tmp/ai.log") =~ /^\Q$r->{id}\E\|(.*)$/m;
    });
    return $line;
}

sub reached { return $json->decode(provider_get('b', '/__stats'))->{requests} }

no_long_string();
run_tests();

__DATA__

=== TEST 1: a key in each of the three headers
--- check
is(got('all'), '200 -', 'Authorization: Bearer');
is(got(undef, head => { Authorization => 'bearer   s3cr3t-all' }), '200 -',
   'any case, any blanks');
is(got(undef, head => { 'x-api-key' => 's3cr3t-all' }), '200 -', 'x-api-key');
is(got(undef, head => { 'api-key' => 's3cr3t-all' }), '200 -', 'api-key');
is(got('inline'), '200 -', 'a key of the configuration');
is(reached(), 5, 'all of them were served');
unlike(provider_get('b', '/__last'), qr/s3cr3t/, 'the key goes no further');



=== TEST 2: which header counts
--- check
is(got('all', head => { 'x-api-key' => 's3cr3t-none' }), '200 -',
   'Authorization before x-api-key');
is(got('none', head => { 'x-api-key' => 's3cr3t-all' }),
   '401 invalid_api_key', 'also where it is the wrong one');
is(got(undef, head => { 'x-api-key' => 's3cr3t-all', 'api-key' => 'x' }),
   '200 -', 'x-api-key before api-key');
is(got(undef, head => { Authorization => 'Basic czNjcjN0OmFsbA==',
                        'api-key' => 's3cr3t-all' }),
   '200 -', 'another scheme is not for us');
is(got(undef, head => { 'x-api-key' => '', 'api-key' => 's3cr3t-all' }),
   '200 -', 'an empty one is none');



=== TEST 3: who does not come in
--- check
for ([undef, 'is missing, send it as'], ['none', 'is not valid'],
     ['off', 'is not valid'], ['old', 'has expired'], ['', 'is not valid'],
     ['al', 'is not valid'], ['all ', 200], ['all2', 'is not valid'],
     ['future', 200])
{
    my ($key, $says) = @$_;
    my $r = ask($key);
    my $name = defined $key ? "key \"$key\"" : 'no key';

    if ($says eq '200') {
        is($r->{status}, 200, "$name: comes in");
        next;
    }
    is("$r->{status} $r->{code}", '401 invalid_api_key', "$name: 401");
    like($r->{says}, qr/^the API key \Q$says\E/, "$name: why");
    is($r->{json}{error}{type}, 'invalid_request_error', "$name: type");
    is($r->{json}{request_id}, $r->{id}, "$name: request id");
    is($r->{headers}{'www-authenticate'}, 'Bearer', "$name: challenge");
    unlike($r->{content}, qr/s3cr3t|\bold\b|\boff\b/, "$name: not repeated");
}
is(ask('off')->{says}, ask('none')->{says}, 'disabled looks like unknown');
is(got(undef, head => { Authorization => 'Bearer ' }), '401 invalid_api_key',
   'nothing after Bearer');
is(reached(), 2, 'nothing of the others went upstream');



=== TEST 4: strangers learn nothing
--- check
is(got('none', path => 'no/such/path'), '401 invalid_api_key', 'a wrong path');
is(got('none', method => 'GET'), '401 invalid_api_key', 'a wrong method');
is(got('none', model => 'no-such-model'), '401 invalid_api_key', 'no model');
is(got('none', head => { 'X-AI-Class' => 'x' }), '401 invalid_api_key',
   'no class');
is(got('none', method => 'GET', path => 'models'), '401 invalid_api_key',
   'the list of models');
is(got('all', path => 'no/such/path'), '404 not_found',
   'a wrong path with a key');
my $r = ask('none', path => 'messages');
is($r->{status}, 401, 'in Anthropic\'s words');
is($r->{json}{error}{type}, 'authentication_error', '... its type');
is($r->{json}{type}, 'error', '... its form');
$r = ask(undef, path => 'messages', model => 'mini',
         head => { 'x-api-key' => 's3cr3t-all' });
is("$r->{status} $r->{json}{error}{type}", '404 not_found_error',
   '... and with a key (openai has no messages)');



=== TEST 5: models of a key
--- check
is(got('mini', model => 'mini'), '200 -', 'by prefix');
is(got('mini', model => 'mini-2024-07'), '200 -', 'by prefix, of a pattern');
is(got('mini', model => 'own'), '200 -', 'by name');
is(got('mini', model => 'big'), '403 model_not_allowed', 'not in the list');
is(got('mini', model => 'own2'), '403 model_not_allowed', 'no such model');
is(got('mini', model => 'mini-x'), '404 model_not_found',
   'allowed, but not there');
is(got('all', model => 'own2'), '404 model_not_found', 'without a list');
is(got('inline', model => 'mini'), '403 model_not_allowed', 'an inline key');
my $r = ask('mini', model => 'big');
is($r->{json}{error}{param}, 'model', 'param');
is($r->{json}{error}{type}, 'invalid_request_error', 'type');
is($r->{says}, 'the model "big" is not allowed for this API key', 'message');
is(ask('mini', model => 'big', path => 'messages')->{json}{error}{type},
   'permission_error', 'in Anthropic\'s words');



=== TEST 6: a backup model must be one of the key's, too
--- check
provider_fault('a', '500');
is(got('all', model => 'big'), '200 -', 'the backup answers');
is(got('no-backup', model => 'big'), '502 upstream_error',
   'the backup is not for this key');
provider_fault('a', '');
is(got('no-backup', model => 'big'), '200 -', 'the model itself is');



=== TEST 7: classes of a key
--- check
my %class = ('X-AI-Class' => 'interactive');
for ([all => 'default'], [one => 'slow'], [two => 'slow'],
     [chosen => 'interactive'], [default => 'slow'])
{
    my ($key, $class) = @$_;
    my $r = ask($key);

    is(record($r)->{class}, $class, "key \"$key\" without X-AI-Class");
}
is(got('all', head => \%class), '200 -', 'any class for a key without list');
is(got('two', head => \%class), '200 -', 'one of the list');
is(got('default', head => \%class), '200 -',
   'a default class is no restriction');
my $r = ask('one', head => \%class);
is("$r->{status} $r->{code}", '403 class_not_allowed', 'not in the list');
is($r->{says}, 'the class "interactive" in X-AI-Class is not allowed for this '
               . 'API key, allowed are: slow', 'message');
$r = ask('one', head => { 'X-AI-Class' => 'nonsense' });
is("$r->{status} $r->{code}", '400 invalid_request_error', 'an unknown one');
like($r->{says}, qr/known are: slow$/, 'lists those of the key');



=== TEST 8: ai_default_class and a key's own
--- http
ai_default_class interactive;
--- check
is(record(ask('all'))->{class}, 'interactive', 'no list');
is(record(ask('two'))->{class}, 'interactive', 'it is in the list');
is(record(ask('one'))->{class}, 'slow', 'it is not in the list');
is(record(ask('default'))->{class}, 'slow', 'the key has its own');



=== TEST 9: records and variables
--- check
my $r = ask('search');
is_deeply({ map { $_ => record($r)->{$_} } qw(key_id app team env outcome) },
          { key_id => 'search', app => 'search-ui', team => 'search',
            env => 'prod', outcome => 'ok' }, 'a served request');
is(logged($r), '200|search|search-ui|search|default|ok||own', 'its variables');
$r = ask('all');
my $rec = record($r);
is($rec->{key_id}, 'all', 'a key without a team');
ok(!exists $rec->{$_}, "no $_") for qw(app team env);
is(logged($r), '200|all|||default|ok||own', 'its variables');
$r = ask('old');
is_deeply({ map { $_ => record($r)->{$_} }
            qw(key_id team outcome error_class status attempts) },
          { key_id => 'old', team => 'past', outcome => 'rejected',
            error_class => 'auth', status => '401', attempts => '0' },
          'an expired key is named');
$r = ask('off');
is(record($r)->{key_id}, 'off', 'a disabled one, too');
for my $key (undef, 'none') {
    $r = ask($key);
    $rec = record($r);
    ok(!exists $rec->{key_id}, 'nobody\'s key has no id');
    is("$rec->{outcome} $rec->{error_class}", 'rejected auth', '... rejected');
    is(logged($r), '401||||default|rejected|auth|', '... its variables');
}
$r = ask('mini', model => 'big');
is_deeply({ map { $_ => record($r)->{$_} }
            qw(key_id outcome error_class status model_requested) },
          { key_id => 'mini', outcome => 'rejected', status => '403',
            error_class => 'permission', model_requested => 'big' },
          'a model that is not allowed');
like(slurp("$tmp/servroot/logs/error.log"), qr/\[info\]\ .*ai\ key\ "old"
     \ is\ expired.*ai\ key\ "off"\ is\ disabled.*ai\ key\ is\ missing
     .*ai\ key\ is\ unknown/sx, 'the log knows why');



=== TEST 10: what nginx refuses itself is the key's, too
--- check
my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                              PeerPort => server_port()) or die;
print $s "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
         . "X-Request-ID: large\r\nx-api-key: s3cr3t-search\r\n"
         . "Content-Length: 99999999\r\n\r\n";
like(<$s>, qr/ 413 /, 'too large');
close $s;
is(record({ id => 'large' })->{key_id}, 'search', 'recorded with its key');
is(logged({ id => 'large' }),
   '413|search|search-ui|search|default|rejected|request_too_large|',
   'its variables');



=== TEST 11: the list of models
--- check
my $r = ask('all', method => 'GET', path => 'models');
is($r->{status}, 200, 'status');
is($r->{headers}{'content-type'}, 'application/json', 'type');
is_deeply($r->{json}, { object => 'list', data => [
    { id => 'big', object => 'model', created => 0, owned_by => 'openai' },
    { id => 'mini', object => 'model', created => 0, owned_by => 'openai' },
    { id => 'org/some/model', object => 'model', created => 0,
      owned_by => 'mistral' },
    { id => 'own', object => 'model', created => 0, owned_by => 'mistral',
      context_window => 128000 } ] }, 'all, without patterns');
is_deeply({ map { $_ => record($r)->{$_} }
            qw(key_id endpoint outcome status attempts usage_source) },
          { key_id => 'all', endpoint => 'models', outcome => 'ok',
            status => '200', attempts => '0', usage_source => 'none' },
          'recorded');
$r = ask('mini', method => 'GET', path => 'models');
is(join(' ', map { $_->{id} } @{ $r->{json}{data} }), 'mini own',
   'those of a key');
$r = ask('mini', method => 'HEAD', path => 'models');
is($r->{status} . ($r->{content} || ''), 200, 'HEAD');
is_deeply(ask('no-backup', method => 'GET', path => 'models/')->{json},
          { object => 'list', data => [
            { id => 'big', object => 'model', created => 0,
              owned_by => 'openai' } ] }, 'with a final slash');
$r = ask('all', path => 'models');
is("$r->{status} $r->{code}", '405 method_not_allowed', 'POST');
is($r->{headers}{allow}, 'GET, HEAD', 'Allow');
$r = ask('all', method => 'GET', path => 'chat/completions');
is($r->{headers}{allow}, 'POST', 'Allow elsewhere');



=== TEST 12: one model
--- check
my $r = ask('all', method => 'GET', path => 'models/own');
is_deeply($r->{json}, { id => 'own', object => 'model', created => 0,
                        owned_by => 'mistral', context_window => 128000 },
          'by name');
is(record($r)->{model_requested}, 'own', 'recorded');
is(ask('all', method => 'GET', path => 'models/org/some/model')->{json}{id},
   'org/some/model', 'with slashes');
is(ask('all', method => 'GET', path => 'models/org%2Fsome%2Fmodel')->{json}
   {id}, 'org/some/model', 'escaped');
is(ask('all', method => 'GET', path => 'models/mini-2024-07')->{json}{id},
   'mini-2024-07', 'by a pattern');
is(got('all', method => 'GET', path => 'models/none'), '404 model_not_found',
   'no such model');
is(got('mini', method => 'GET', path => 'models/big'),
   '403 model_not_allowed', 'not allowed');
is(got('all', method => 'GET', path => 'models/a%0ab'), '404 model_not_found',
   'a line feed');
is(got('all', method => 'GET', path => 'models/' . 'm' x 300),
   '404 model_not_found', 'too long');
is(got('all', method => 'GET', path => 'modelsx'), '404 not_found',
   'another path');



=== TEST 13: no keys: open to everybody, and the log says so
--- keys
--- check
is(got(undef), '200 -', 'without a key');
my $r = ask('whatever');
is($r->{status}, 200, 'with any key');
is(record($r)->{key_id}, 'anonymous', 'recorded');
is(logged($r), '200|anonymous|||default|ok||own', 'variables');
is(ask(undef, method => 'GET', path => 'models/own')->{json}{id}, 'own',
   'models');
is(() = slurp("$tmp/servroot/logs/error.log")
        =~ /\[notice\].*ai_pass is open to every client/g, 1,
   'said once, by all processes together');



=== TEST 14: with keys the log says nothing of that
--- check
is(got('all'), '200 -', 'a key');
unlike(slurp("$tmp/servroot/logs/error.log"), qr/open to every/, 'not open');



=== TEST 15: a refused client keeps its body
--- check
sub raw {
    my ($head, $body) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => server_port()) or die;
    my ($raw, $start) = ('', time());

    print $s "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
             . "Content-Length: 60000000\r\n$head\r\n";
    vec(my $in = '', fileno $s, 1) = 1;
    while (select my $out = $in, undef, undef, 3) {
        sysread $s, $raw, 65536, length $raw or last;
        last if $raw =~ / 100 .*\n\r\n$|\r\n\r\n.*\}$/s;
    }
    return ($raw, time() - $start);
}
my ($raw, $took) = raw("Expect: 100-continue\r\n");
like($raw, qr{^HTTP/1\.1 401 }, 'no 100 before the 401');
like($raw, qr/^Connection: close/m, 'and no body to come');
ok($took < 2, 'at once');
($raw) = raw("Expect: 100-continue\r\nx-api-key: s3cr3t-all\r\n");
like($raw, qr{^HTTP/1\.1 100 }, 'one with a key may go on');
($raw, $took) = raw('');
like($raw, qr{^HTTP/1\.1 401 }, 'the answer does not wait for the body');
ok($took < 2, 'at once');



=== TEST 16: HTTP/2
--- check
my $url = "http://127.0.0.1:$ENV{TEST_NGINX_H2}/v1/chat/completions";
my $curl = sub {
    return `curl -s -m 10 --http2-prior-knowledge -w '%{http_code}' @_ $url`;
};
open my $big, '>', "$tmp/big" or die;
print $big '{"model":"own","x":"', 'x' x 20_000_000, '"}';
close $big;
like($curl->(q(-d '{"model":"own"}' -H 'x-api-key: s3cr3t-all')), qr/200$/,
     'a key');
like($curl->(q(-d '{"model":"own"}')), qr/invalid_api_key.*401$/s,
     "none, $_") for 1 .. 10;
# curl 7.88 may lose this answer, see ngx_http_ai_turn_away()
$curl->("-H 'X-Request-ID: h2big' --data-binary \@$tmp/big");
is(record({ id => 'h2big' })->{status}, 401, 'with a large body');



=== TEST 17: t/tools/key makes one
--- check
my $said = `t/tools/key tool team=x models='own,mini*' budget=1usd/day`;
my ($secret) = $said =~ /^(sk-ai-[0-9a-f]{64})$/m;
my ($entry) = $said =~ /^  (\{.*\})$/m;
my ($conf) = $said =~ /^  (ai_key .*;)$/m;
is(() = $said =~ /\Q$secret\E/g, 1, 'the secret is shown once');
is_deeply($json->decode($entry),
          { id => 'tool', hash => 'sha256:' . sha256_hex($secret),
            team => 'x', models => ['own', 'mini*'],
            budget => [{ usd => 1, per => 'day' }] }, 'for keys.json');
is($conf, 'ai_key tool hash=sha256:' . sha256_hex($secret)
          . ' team=x models=own,mini* budget=1usd/day;', 'for nginx.conf');
isnt((`t/tools/key tool` =~ /^(sk-ai-\w+)/)[0], $secret, 'another one');
