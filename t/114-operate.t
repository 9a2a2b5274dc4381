# Copyright (C) nginx-ai-route contributors

# What operators decide of accounts: drain, disable, enable, for all workers
# and over a reload.

use lib 't/lib';
use AIRoute providers => [qw(a b)];
use Test::Nginx::Socket 'no_plan';

use HTTP::Tiny ();
use IO::Select ();
use IO::Socket::INET ();
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(time sleep);

my $tmp = tmp_dir();
my $id = 0;

workers(2);

my @providers = qw(a b);

my $http = <<'END';
ai_usage off;
ai_class default { expose trail; max_wait off; retry_same off; }
END

my $accounts = <<'END';
ai_breaker failures=3 rate=100 open=20s max_open=20s ramp=off;
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
ai_route m m2 { target a; target b tier=2; }
ai_route alone { target a; }
END

add_block_preprocessor(sub {
    my $block = shift;
    my $more = $block->routes || '';
    my $accounts = defined $block->accounts ? $block->accounts : $accounts;

    $block->set_value('http_config',
                      "# @{[$block->name]}\n$http$accounts$more");
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

    provider_reset(@providers);
    eval '#line 1 "' . $block->name . "\"\n" . $block->check . "\n;1"
        or fail($block->name . " - check died: $@");
});

# Requests over connections of their own.  open_request() sends, answers()
# reads many at once to their ends: "took" are the seconds until then,
# "complete" says that the body had the end that its head had announced.

sub open_request {
    my %o = (path => '/v1/chat/completions', model => 'm', more => '',
             head => '', @_);
    my $content = qq({"model":"$o{model}",)
        . ($o{stream} ? '"stream":true,' : '') . qq($o{more}"messages":[]});
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => server_port())
        or die "cannot connect: $!\n";

    $o{id} = 'r' . ++$id . '-' . $$;
    $o{head} .= "X-AI-Class: $o{class}\r\n" if defined $o{class};
    $o{start} = time();
    print $s "POST $o{path} HTTP/1.1\r\nHost: gateway\r\n",
             "Content-Type: application/json\r\nConnection: close\r\n",
             "X-Request-ID: $o{id}\r\n$o{head}Content-Length: ",
             length $content, "\r\n\r\n", $content;
    return { %o, socket => $s, raw => '', took => 99 };
}

sub answers {
    my @q = @_;
    my $end = time() + 20;
    my $sel = IO::Select->new(map { $_->{socket} } @q);
    my %by = map { fileno $_->{socket} => $_ } @q;

    while ($sel->count && time() < $end) {
        gather($sel, \%by, $end - time());
    }
    return map { parsed($_) } @q;
}

sub gather {
    my ($sel, $by, $seconds) = @_;

    for my $s ($sel->can_read($seconds)) {
        my $q = $by->{fileno $s};

        next if sysread $s, $q->{raw}, 65536, length $q->{raw};
        $q->{took} = time() - $q->{start};
        delete $by->{fileno $s};
        $sel->remove($s);
        close $s;
    }
}

# Constant load: "rate" requests a second for "seconds".  "each" gives the
# arguments of the n-th one; "at" is a list of [SECONDS, CODE] to run on the
# way.  Each answer has "t", when it was sent.

sub load {
    my %o = (rate => 100, seconds => 1, each => sub { () }, at => [], @_);
    my $start = time();
    my $sel = IO::Select->new;
    my (@q, %by);
    my @at = @{ $o{at} };
    my $n = $o{rate} * $o{seconds};

    while (@q < $n) {
        my $now = time() - $start;

        (shift @at)->[1]->(), next if @at && $now >= $at[0][0];

        my $next = @q / $o{rate};
        if ($now < $next && $sel->count) {
            gather($sel, \%by, $next - $now);
        } elsif ($now < $next) {
            sleep $next - $now;
        } else {
            my $q = open_request($o{each}->(scalar @q));
            $q->{t} = $q->{start} - $start;
            push @q, $q;
            $by{fileno $q->{socket}} = $q;
            $sel->add($q->{socket});
        }
    }

    my $end = time() + 15;
    gather($sel, \%by, $end - time()) while $sel->count && time() < $end;
    return map { parsed($_) } @q;
}

sub parsed {
    my $q = shift;
    my ($head, $body) = split /\r\n\r\n/, $q->{raw}, 2;
    my ($status) = ($head || '') =~ m{^HTTP/1\.\d (\d+)};
    my %h;

    $h{lc $1} = $2 while ($head || '') =~ /^([^:\r\n]+): *([^\r\n]*)/mg;
    $body = '' unless defined $body;
    $q->{complete} = $q->{took} < 99
        && (($h{'transfer-encoding'} || '') eq 'chunked'
            ? $body =~ /\r\n0\r\n\r\n\z/
            : !defined $h{'content-length'}
              || length $body == $h{'content-length'});
    @{$q}{qw(status h body)} = ($status || 0, \%h, $body);
    return $q;
}

sub ask { return (answers(open_request(@_)))[0] }

# several at once, each a list of open_request's arguments
sub ask_all { return answers(map { open_request(@$_) } @_) }

sub trail { return defined $_[0]{h}{'x-ai-trail'} ? $_[0]{h}{'x-ai-trail'}
                                                  : '-' }

# the accounts of a trail, in their order
sub way { return join ',', map { /^([^=]+)/ } split /,/, trail($_[0]) }

# how often account NAME was asked for these answers
sub hits {
    my $name = shift;
    return scalar map { grep { /^\Q$name\E=/ } split /,/, trail($_) } @_;
}

sub statuses {
    my %n;
    $n{ $_->{status} }++ for @_;
    return join ' ', map { "$_:$n{$_}" } sort keys %n;
}

sub between {
    my ($value, $min, $max, $what) = @_;

    ok($value >= $min && $value <= $max, "$what: from $min to $max")
        or diag("it is $value");
}

sub error_code {
    my $json = eval { JSON::PP::decode_json($_[0]{body}) } || {};
    my $e = ref $json eq 'HASH' ? $json->{error} : undef;

    return ref $e eq 'HASH' && defined $e->{code} ? $e->{code} : '-';
}

sub stats { return JSON::PP::decode_json(provider_get($_[0], '/__stats')) }
sub requests { return stats($_[0])->{requests} }

sub master { return slurp("$tmp/servroot/logs/nginx.pid") =~ /(\d+)/ }
sub workers_now { my ($m) = master();
                  return split ' ', `ps -o pid= --ppid $m` }

# the old workers are gone or have no listening socket any more
sub reload {
    my @old = workers_now();
    my ($master) = master();

    kill 'HUP', $master;
    wait_for(5, sub {
        my %old = map { $_ => 1 } @old;
        my @new = grep { !$old{$_} } workers_now();
        return @new >= 2;
    }) or die "no reload\n";
    sleep 0.4;
}

# all workers at once; others take their place
sub kill_workers {
    my @old = workers_now();

    is(scalar @old, 2, 'two workers');
    kill 'KILL', @old;
    wait_for(5, sub {
        my %old = map { $_ => 1 } @old;
        return 2 == grep { !$old{$_} } workers_now();
    }) or die "no new workers\n";
    sleep 0.2;
}

sub operate {
    my ($name, $action, $bearer) = @_;

    return HTTP::Tiny->new->post(
        'http://127.0.0.1:' . server_port() . "/ai/accounts/$name/$action",
        { headers => { Authorization => 'Bearer ' . ($bearer || 's3cr3t') } });
}

# true if the build has these actions; else the block says so and ends
sub available {
    my $answer = operate('a', 'drain');

    if ($answer->{status} == 404 && $answer->{content} !~ /account_not/) {
        SKIP: { skip 'drain, disable and enable are not there yet', 1 }
        return 0;
    }
    is($answer->{status}, 200, 'drain');
    is(operate('a', 'enable')->{status}, 200, 'enable');
    return 1;
}

# where 16 parallel requests went, whatever the worker
sub ways {
    my %n;
    $n{ way($_) }++ for ask_all(map { [stream => $_ % 2, @_] } 1 .. 16);
    return join ' ', sort keys %n;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: drain, disable, enable
--- check
if (available()) {
    for my $action (qw(drain disable)) {
        is(ways(), 'a', "before $action");
        my $answer = operate('a', $action);
        is($answer->{status}, 200, "$action: status");
        is_deeply(JSON::PP::decode_json($answer->{content}),
                  { account => 'a', action => $action }, "$action: answer");

        my $n = requests('a');
        is(ways(), 'b', "$action: requests go elsewhere");
        is(ways(model => 'm2'), 'b', "$action: of all models");
        is(requests('a'), $n, "$action: not asked");

        my @r = ask_all(([model => 'alone']) x 8);
        is(statuses(@r), '503:8', "$action: nowhere else to go");
        is(error_code($r[0]), 'no_target', "$action: code");
        is(requests('a'), $n, "$action: not asked as the least bad either");

        accounts_open('a');
        is(ways(), 'b', "$action: reset is not enable");
        is(operate('a', 'enable')->{status}, 200, 'enable: status');
        is(ways(), 'a', 'enable: all come back');
    }

    # another account is not concerned
    my $n = requests('b');
    operate('b', 'disable');
    is(ways(), 'a', 'another account');
    provider_fault('a', '500');
    is(ask()->{status}, 502, 'a disabled one is no way out either');
    is(requests('b'), $n, 'not asked');
}



=== TEST 2: what runs is not disturbed
--- check
if (available()) {
    for my $action (qw(drain disable)) {
        provider_reset('a');
        provider_fault('a', 'words=8 gap=150');
        my @q = map { open_request(stream => 1) } 1 .. 6;
        ok(wait_for(2, sub { requests('a') == 6 }), 'six streams run');
        sleep 0.3;
        operate('a', $action);
        is(way(ask()), 'b', "$action: new ones go elsewhere");
        my @r = answers(@q);
        is(scalar(grep { $_->{complete} && $_->{body} =~ /\[DONE\]/ } @r), 6,
           "$action: the streams are finished");
        is(stats('a')->{aborted}, 0, "$action: none is cut");
        is(way(ask()), 'b', "$action: their success is not enable");
        operate('a', 'enable');
    }
}



=== TEST 3: over a reload
--- check
if (available()) {
    operate('a', 'drain');
    reload();
    is(ways(), 'b', 'still drained');
    operate('a', 'disable');
    reload();
    reload();
    is(ways(), 'b', 'still disabled');
    operate('a', 'enable');
    is(ways(), 'a', 'enabled');
    reload();
    is(ways(), 'a', 'still enabled');
}



=== TEST 4: under load, and workers that die
--- log_ok chomp
exited on signal 9
--- check
if (available()) {
    my ($drained, $enabled);
    my @r = load(rate => 150, seconds => 3,
                 at => [[1, sub { operate('a', 'drain'); $drained = time() }],
                        [2, sub { operate('a', 'enable');
                                  $enabled = time() }]]);
    is(statuses(@r), '200:450', 'every request is served');
    my @while = grep { $_->{start} > $drained && $_->{start} < $enabled - 0.05 }
                     @r;
    cmp_ok(scalar @while, '>', 100, 'many meanwhile');
    is(hits('a', @while), 0, 'none goes to a');
    my @after = grep { $_->{start} > $enabled } @r;
    is(hits('a', @after), scalar @after, 'then all do');

    operate('a', 'disable');
    kill_workers();
    is(ways(), 'b', 'new workers know it');
}



=== TEST 5: enable leaves health as it is
--- check
if (available()) {
    provider_fault('a', '500');
    ask() for 1 .. 3;
    provider_fault('a', '');
    is(way(ask()), 'b', 'open');
    operate('a', 'disable');
    operate('a', 'enable');
    is(way(ask()), 'b', 'enable closes no breaker');
    accounts_open('a');
    is(way(ask()), 'a', 'reset does');
}



=== TEST 6: who may, and what is not there
--- check
if (available()) {
    for my $action (qw(drain disable enable)) {
        is(operate('a', $action, 'wrong')->{status}, 401, "$action: bearer");
        is(operate('none', $action)->{status}, 404, "$action: unknown name");
        is(HTTP::Tiny->new->get('http://127.0.0.1:' . server_port()
                                . "/ai/accounts/a/$action")->{status},
           405, "$action: GET");
    }
    is(operate('a', 'stop')->{status}, 404, 'unknown action');
    is(ways(), 'a', 'nothing was done');
}
