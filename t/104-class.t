# Copyright (C) nginx-ai-route contributors

# The class of a request: X-AI-Class, ai_default_class, the built-in one; what
# an unknown one is told; accounts of a class; the trail.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';

use Digest::SHA ();
use HTTP::Tiny ();
use IO::Select ();
use IO::Socket::INET ();
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(time sleep);

$ENV{TEST_NGINX_ADMIN} = Digest::SHA::sha256_hex('operator');

my $tmp = tmp_dir();
my ($id, @children) = (0);

$ENV{TEST_NGINX_H2} = free_port();

my $http = <<'END';
log_format ai escape=none
    '$ai_request_id|$status|$ai_attempts|$ai_fallback|$ai_trail|$ai_outcome|'
    '$ai_error_class|$ai_class';
access_log $TEST_NGINX_TMP/ai.log ai;
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

add_block_preprocessor(sub {
    my $block = shift;
    my $more = $block->routes || '';

    $block->set_value('http_config', "# @{[$block->name]}\n$http$more");
    $block->set_value('config',
                      "location /v1/ { ai_pass; }\n"
                      . "location /ai/ { ai_status "
                      . "admin=sha256:$ENV{TEST_NGINX_ADMIN}; }\n"
                      . "location = /up { return 204; }\n");
    $block->set_value('request', "GET /up\n");
    $block->set_value('error_code', 204);
});

add_response_body_check(sub {
    my ($block, undef, undef, undef, $dry_run) = @_;

    return if $dry_run || !defined $block->check;

    provider_reset(qw(a b));
    eval '#line 1 "' . $block->name . "\"\n" . $block->check . "\n;1"
        or fail($block->name . " - check died: $@");
    kill 'KILL', -$_ for @children;
    waitpid $_, 0 for splice @children;
});

# Requests over connections of their own.  open_request() sends, answers()
# reads many at once to their ends: "took" are the seconds until then, "at"
# those until each piece came, "complete" says that the body had the end that
# its head had announced.

sub open_request {
    my %o = (path => '/v1/chat/completions', model => 'm', more => '',
             head => '', @_);
    my $content = defined $o{body} ? $o{body}
        : qq({"model":"$o{model}",)
          . ($o{stream} ? '"stream":true,' : '') . qq($o{more}"messages":[]});
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $o{port} || server_port())
        or die "cannot connect: $!\n";

    $o{id} = 'r' . ++$id . '-' . $$;
    $o{head} .= "X-AI-Class: $o{class}\r\n" if defined $o{class};
    $o{start} = time();
    print $s "POST $o{path} HTTP/1.1\r\nHost: gateway\r\n",
             "Content-Type: application/json\r\nConnection: close\r\n",
             "X-Request-ID: $o{id}\r\n$o{head}Content-Length: ",
             length $content, "\r\n\r\n", $content;
    return { %o, socket => $s, raw => '', at => [], took => 99 };
}

sub answers {
    my @q = @_;
    my $end = time() + 25;
    my $sel = IO::Select->new(map { $_->{socket} } @q);
    my %by = map { fileno $_->{socket} => $_ } @q;

    while ($sel->count && time() < $end) {
        for my $s ($sel->can_read($end - time())) {
            my $q = $by{fileno $s};

            if (sysread $s, $q->{raw}, 65536, length $q->{raw}) {
                push @{ $q->{at} }, time() - $q->{start};
                next;
            }
            $q->{took} = time() - $q->{start};
            $sel->remove($s);
            close $s;
        }
    }
    return map { parsed($_) } @q;
}

sub parsed {
    my $q = shift;
    my ($head, $body) = split /\r\n\r\n/, $q->{raw}, 2;
    my ($status) = ($head || '') =~ m{^HTTP/1\.\d (\d+)};
    my (%h, $out);

    $h{lc $1} = $2 while ($head || '') =~ /^([^:\r\n]+): *([^\r\n]*)/mg;
    $body = '' unless defined $body;
    $q->{complete} = $q->{took} < 99;

    if (($h{'transfer-encoding'} || '') eq 'chunked') {
        $out = '';
        $q->{complete} = 0;
        while ($body =~ /\G([0-9a-f]+)\r\n/gci) {
            my $n = hex $1;
            $q->{complete} = 1, last if $n == 0;
            $out .= substr $body, pos $body, $n;
            pos($body) += $n + 2 < length($body) - pos($body) ? $n + 2 : last;
        }
        $body = $out;
    } elsif (defined $h{'content-length'}) {
        $q->{complete} &&= length $body == $h{'content-length'};
    }
    @{$q}{qw(status h body)} = ($status || 0, \%h, $body);
    return $q;
}

sub ask { return (answers(open_request(@_)))[0] }

# several at once, each a list of open_request's arguments
sub ask_all { return answers(map { open_request(@$_) } @_) }

sub error_code {
    my $json = eval { JSON::PP::decode_json($_[0]{body}) } || {};
    my $e = ref $json eq 'HASH' ? $json->{error} : undef;

    return ref $e eq 'HASH' && defined $e->{code} ? $e->{code} : '-';
}

sub trail { return defined $_[0]{h}{'x-ai-trail'} ? $_[0]{h}{'x-ai-trail'}
                                                  : '-' }

# the accounts of a trail, in their order
sub way { return join ',', map { /^([^=]+)/ } split /,/, trail($_[0]) }

sub within {
    my ($r, $min, $max, $what) = @_;

    ok($r->{took} >= $min - 0.02 && $r->{took} <= $max,
       "$what: between $min and $max s")
        or diag(sprintf '%.3f s', $r->{took});
}

sub stats { return JSON::PP::decode_json(provider_get($_[0], '/__stats')) }

# forgets what earlier requests taught about the accounts
sub operator_reset {
    for my $name (@_) {
        my $answer = HTTP::Tiny->new->post(
            'http://127.0.0.1:' . server_port() . "/ai/accounts/$name/reset",
            { headers => { Authorization => 'Bearer operator' } });
        die "reset of $name: $answer->{status}\n" unless $answer->{success};
    }
}

# the class that the log and the record have for a request
sub class_of {
    my $r = shift;
    my ($line) = wait_for(3, sub {
        slurp("$tmp/ai.log") =~ /^\Q$r->{id}\E\|(.*)$/m ? "$1" : ""
    }) =~ /([^|]*)\z/;
    my $record = wait_for(4, sub {
        -e "$tmp/usage.jsonl" && slurp("$tmp/usage.jsonl")
            =~ /^(\{.*"request_id":"\Q$r->{id}\E".*\})$/m ? "$1" : ""
    });

    return "$line " . (JSON::PP::decode_json($record || '{}')->{class} || '-');
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
my $out = `curl -s --http2-prior-knowledge -m 10 -H 'X-AI-Class: fast' -o /dev/null -w '%{http_code}' --data-binary '{"model":"m+sim:500"}' http://127.0.0.1:$ENV{TEST_NGINX_H2}/v1/chat/completions`;
is($out, 502, 'HTTP/2');



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
is(stats('a')->{requests}, 0, 'no request went on');

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
