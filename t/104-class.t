# Copyright (C) nginx-ai-route contributors

# The class of a request: X-AI-Class, ai_default_class, the built-in one; what
# an unknown one is told; accounts of a class; the trail.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';
use AICheck;
use AIClient;
use AILog;

use JSON::PP ();

$ENV{TEST_NGINX_H2} = free_port();

my $http = ai_log() . <<'END';
ai_usage file:$TEST_NGINX_TMP/usage.jsonl;

ai_breaker failures=0 rate=100;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 4;
    ai_account provider=compatible base=http://a.test/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 4;
    ai_account provider=compatible base=http://b.test/v1; }

ai_route m+* m  { target a; target b tier=2 model=ok; }
ai_route only-b { target b; }
ai_route big    { target a; backup small; }
ai_route big+*  { target a; backup small only-a; }
ai_route small  { target b; }
ai_route only-a { target a; }

server {
    listen 127.0.0.1:$TEST_NGINX_H2 http2;
    location /v1/ { ai_pass; }
}
END

check_blocks(http => $http, reset => [qw(a b)],
             perl => sub { eval shift });

# the class that the log and the record have for a request
sub class_of {
    my $r = shift;
    my $record = recorded($r->{id})->{ $r->{id} } || [];

    return logged($r)->{ai_class} . ' ' . ($record->[0]{class} || '-');
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: by header, else the built-in one
--- routes
ai_class fast { attempts 1; }
ai_class slow { attempts 2; retry_same off; expose trail; }
--- check
my $r = ask(class => 'fast', model => 'm+sim:500');
is("$r->{status} $r->{h}{'x-ai-attempts'}", '502 1', 'fast');
is(class_of($r), 'fast fast', 'fast: log and record');

$r = ask(class => 'slow', model => 'm+sim:500');
is("$r->{status} $r->{h}{'x-ai-attempts'}", '200 2', 'slow');
is(class_of($r), 'slow slow', 'slow: log and record');

$r = ask(model => 'm+sim:500');
is("$r->{status} $r->{h}{'x-ai-attempts'}", '200 2', 'none');
is(class_of($r), 'default default', 'none: log and record');

$r = ask(class => 'default', model => 'm');
is("$r->{status} " . class_of($r), '200 default default', 'by its name');

# the header stays here
unlike(provider_get('a', '/__last'), qr/x-ai-class/i, 'not sent on');

# over HTTP/2 its name is in lower case
$r = ask(version => 2, class => 'fast', model => 'm+sim:500');
is($r->{status}, 502, 'HTTP/2');



=== TEST 2: ai_default_class
--- routes
ai_class fast { attempts 1; }
ai_class slow { attempts 2; }
ai_default_class fast;
--- check
my $r = ask(model => 'm+sim:500');
is("$r->{status} " . class_of($r), '502 fast fast', 'without a header');
$r = ask(model => 'm+sim:500', class => 'slow');
is("$r->{status} " . class_of($r), '200 slow slow', 'the header wins');
$r = ask(model => 'm+sim:500', class => 'default');
is("$r->{status} " . class_of($r), '200 default default',
   'the built-in one is there');



=== TEST 3: an unknown class is told which there are
--- routes
ai_class interactive { }
ai_class background { }
--- check
for my $class ('nope', 'Interactive', 'x' x 200, 'a"b\\c',
               'interactive,background', '*')
{
    my $r = ask(class => $class);
    my $json = JSON::PP::decode_json($r->{body});

    is("$r->{status} $json->{error}{code}", '400 invalid_request_error',
       "$class: refused");
    like($json->{error}{message}, qr/default, interactive, background/,
         "$class: the known ones")
        unless length $class > 100;
    is($r->{h}{'x-ai-attempts'}, undef, "$class: nobody was asked");
    is($r->{h}{'content-type'}, 'application/json', "$class: type");
}
is(requests('a'), 0, 'no request went on');

# in Anthropic's dialect
my $json = JSON::PP::decode_json(ask(class => 'nope',
                                     path => '/v1/messages')->{body});
is("$json->{type} $json->{error}{type}", 'error invalid_request_error',
   'dialect');
like($json->{error}{message}, qr/interactive, background/, 'dialect: words');



=== TEST 4: accounts of a class
--- routes
ai_class first  { accounts a; expose trail; retry_same off; }
ai_class second { accounts b; expose trail; retry_same off; }
ai_class both   { accounts b a; expose trail; retry_same off; }
--- check
my $r = ask(class => 'second', model => 'm');
is("$r->{status} " . trail($r), '200 b=200/ok', 'the one that is allowed');
$r = ask(class => 'first', model => 'm+sim:500');
is("$r->{status} " . trail($r), '502 a=500/server_error', 'no other one');
$r = ask(class => 'both', model => 'm+sim:500');
is("$r->{status} " . trail($r), '200 a=500/server_error,b=200/ok',
   'both, in the order of the route');

$r = ask(class => 'first', model => 'only-b');
my $json = JSON::PP::decode_json($r->{body});
is("$r->{status} $json->{error}{code}", '403 model_not_available_for_class',
   'no account is left');
is($json->{error}{param}, 'model', 'its param');
like($json->{error}{message}, qr/"first".*"only-b"/, 'its words');
is($r->{h}{'x-ai-attempts'}, undef, 'nobody was asked');
is(class_of($r), 'first first', 'log and record');

# the backup's accounts have to be allowed, too
$r = ask(class => 'first', model => 'big+sim:500');
is(trail($r), 'a=500/server_error,a=200/ok', 'the second backup');
is($r->{h}{'x-ai-model'}, 'only-a', 'its model');
provider_fault('a', '500');
$r = ask(class => 'first', model => 'big');
is("$r->{status} " . trail($r), '502 a=500/server_error',
   'a backup that is not allowed');



=== TEST 5: the trail is shown where the class says so
--- routes
ai_class seen   { expose trail; max_wait off; retry_same off; }
ai_class hidden { max_wait off; retry_same off; }
--- check
for my $stream (0, 1) {
    my $r = ask(class => 'seen', model => 'm+sim:503', stream => $stream);
    is(trail($r), 'a=503/overloaded,b=200/ok', 'seen');
    $r = ask(class => 'hidden', model => 'm+sim:503', stream => $stream);
    is($r->{h}{'x-ai-trail'}, undef, 'hidden');
    is("@{$r->{h}}{qw(x-ai-account x-ai-attempts)}", 'b 2',
       'hidden: the other headers');
    $r = ask(model => 'm+sim:503', stream => $stream);
    is($r->{h}{'x-ai-trail'}, undef, 'by default it is hidden');
}

# errors have it, too: of a provider's own and of ours
my $r = ask(class => 'seen', model => 'm+sim:400');
is("$r->{status} " . trail($r), '400 a=400/invalid_request', 'passed on');
provider_fault('b', '500');
$r = ask(class => 'seen', model => 'm+sim:500');
is("$r->{status} " . trail($r), '502 a=500/server_error,b=500/server_error',
   'our own');

# not where nothing was tried, and not in what a client sends
$r = ask(class => 'seen', model => 'none', head => "X-AI-Trail: a=b\r\n");
is("$r->{status} " . trail($r), '404 -', 'nothing was tried');
