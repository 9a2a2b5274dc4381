# Copyright (C) nginx-ai-route contributors

# How the requests of two workers are shared among the targets of a tier.

use lib 't/lib';
use AIRoute providers => [qw(a b c)];
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

my @providers = qw(a b c);

my $http = <<'END';
ai_usage off;
ai_class default { expose trail; max_wait off; retry_same off; }
ai_breaker failures=0 rate=100;
END

my $accounts = <<'END';
upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A; keepalive 8;
    ai_account provider=compatible base=http://a/v1; }
upstream b { server 127.0.0.1:$TEST_NGINX_PROVIDER_B; keepalive 8;
    ai_account provider=compatible base=http://b/v1; }
upstream c { server 127.0.0.1:$TEST_NGINX_PROVIDER_C; keepalive 8;
    ai_account provider=compatible base=http://c/v1; }
ai_route weighted  { target a weight=3; target b; }
ai_route even      { target a; target b; }
ai_route busy      { balance least_busy; target a; target b; }
ai_route heavy     { balance least_busy; target a weight=3; target b; }
ai_route quick     { balance least_time; target a; target b; }
ai_route hash      { balance hash; target a; target b; target c; }
ai_route user      { balance hash "$http_x_user"; target a; target b;
                     target c; }
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
    my ($name, $action) = @_;
    my $answer = HTTP::Tiny->new->post(
        'http://127.0.0.1:' . server_port() . "/ai/accounts/$name/$action",
        { headers => { Authorization => 'Bearer s3cr3t' } });
    die "$action $name: $answer->{status}\n" unless $answer->{success};
}

sub cache_key { return (more => qq("prompt_cache_key":"$_[0]",)) }
sub session { return (head => "X-Session-Id: $_[0]\r\n") }
sub user { return (model => 'user', head => "X-User: $_[0]\r\n") }

# the account of each of the keys, one request after the other
sub homes {
    my ($make, @keys) = @_;
    return join ' ', map { way(ask(model => 'hash', $make->($_))) } @keys;
}

no_long_string();
run_tests();

__DATA__

=== TEST 1: weighted, exactly
--- check
my @r = ask_all(([model => 'weighted']) x 80);
is(statuses(@r), '200:80', 'all are served');
is(join(' ', map { hits($_, @r) } qw(a b)), '60 20', 'both workers together');
@r = map { ask(model => 'weighted') } 1 .. 8;
like(join('', map { way($_) } @r, @r), qr/^a{0,3}(?:ba{3})+/, 'smoothly');

# the headers of answers tell that a is short
provider_fault('a', 'status=200 ratelimit=1/1000/60s');
ask(model => 'even') for 1 .. 2;
@r = ask_all(([model => 'even']) x 60);
is(statuses(@r), '200:60', 'short: all are served');
cmp_ok(hits('a', @r), '<', 12, 'short: most go elsewhere');
provider_fault('a', '');
accounts_open('a');
@r = ask_all(([model => 'even']) x 60);
between(hits('a', @r), 28, 32, 'well again');



=== TEST 2: least_busy
--- check
provider_fault('a', 'delay=900');
provider_fault('b', 'delay=45');
my @r = load(rate => 100, seconds => 3, each => sub { (model => 'busy') });
is(statuses(@r), '200:300', 'all are served');
# as many in flight at both: a twentieth, and more at the beginning
between(hits('a', @r), 6, 60, 'the slow one gets less');

# and the control
@r = load(rate => 100, seconds => 1, each => sub { (model => 'even') });
is(hits('a', @r), 50, 'weighted does not look');

provider_fault($_, 'delay=1200') for qw(a b);
@r = ask_all(([model => 'heavy']) x 120);
between(hits('a', @r), 84, 96, 'in flight by weight');



=== TEST 3: least_busy, workers killed under load
--- log_ok chomp
exited on signal 9
--- check
provider_fault('a', 'delay=5000');
my @q = map { open_request(model => 'even') } 1 .. 60;
ok(wait_for(2, sub { requests('a') == 30 }), 'half is at a');
kill_workers();
close $_->{socket} for @q;
provider_reset(qw(a b));
provider_fault($_, 'delay=700') for qw(a b);
my @r = ask_all(([model => 'busy']) x 40);
between(hits('a', @r), 17, 23, 'the dead are not counted as busy');



=== TEST 4: least_time
--- check
provider_fault('a', 'delay=300');
provider_fault('b', 'delay=30');
my @r = load(rate => 60, seconds => 3, each => sub { (model => 'quick') });
is(statuses(@r), '200:180', 'all are served');
between(hits('a', @r), 1, 54, 'the slow one gets less');

# streams: what counts is the first token
provider_fault('a', 'slow_first=300 words=2');
provider_fault('b', 'words=12 gap=35');
@r = load(rate => 40, seconds => 3,
          each => sub { (model => 'quick', stream => 1) });
is(statuses(@r), '200:120', 'streams: all are served');
between(hits('a', @r), 1, 48, 'streams: the one that begins late gets less');

# it is asked again some day, and is found to be well
provider_fault('a', 'words=2');
provider_fault('b', 'slow_first=300 words=2');
@r = load(rate => 40, seconds => 4,
          each => sub { (model => 'quick', stream => 1) });
my @end = @r[80 .. 159];
cmp_ok(hits('a', @end), '>', 48, 'when they change places');



=== TEST 5: hash
--- check
my @keys = map { "key-$_" } 1 .. 36;
my $home = homes(\&cache_key, @keys);
my %n;
$n{$_}++ for split ' ', $home;
is(join(' ', sort keys %n), 'a b c', 'all have keys');
cmp_ok((sort { $a <=> $b } values %n)[0], '>=', 4, 'all have their share');
is(homes(\&cache_key, @keys), $home, 'they stay there');
is(homes(sub { (cache_key($_[0]), stream => 1) }, @keys), $home,
   'streams, too');
reload();
is(homes(\&cache_key, @keys), $home, 'over a reload');

my $by_session = homes(\&session, @keys);
is(join(' ', sort keys %{{ map { $_ => 1 } split ' ', $by_session }}),
   'a b c', 'the header of sessions: all have keys');
is(homes(\&session, @keys), $by_session, 'the header of sessions');
is(homes(sub { (cache_key($_[0]), session('other')) }, @keys), $home,
   'the body comes first');
my $by_user = homes(\&user, @keys);
is(join(' ', sort keys %{{ map { $_ => 1 } split ' ', $by_user }}),
   'a b c', 'a variable: all have keys');
is(homes(\&user, @keys), $by_user, 'a variable');
my %m;
$m{way(ask(user('one'), cache_key($_)))}++ for @keys;
is(scalar keys %m, 1, 'and nothing but that');

# without a key: anywhere
my @r = map { ask(model => 'hash') } 1 .. 36;
is(scalar(grep { hits($_, @r) >= 3 } qw(a b c)), 3, 'without a key');

# one that is away: its keys go elsewhere, and come back
operate('a', 'disable');
my @now = split ' ', homes(\&cache_key, @keys);
my @was = split ' ', $home;
is(scalar(grep { $_ eq 'a' } @now), 0, 'a is away');
is(scalar(grep { $was[$_] ne 'a' && $was[$_] ne $now[$_] } 0 .. $#was), 0,
   'the others keep theirs');
my %to = map { $now[$_] => 1 } grep { $was[$_] eq 'a' } 0 .. $#was;
is(join(' ', sort keys %to), 'b c', 'its keys are spread');
operate('a', 'enable');
is(homes(\&cache_key, @keys), $home, 'all come back');



=== TEST 6: hash, one key that everybody uses
--- check
provider_fault($_, 'delay=1200') for qw(a b c);
my @r = ask_all(([model => 'hash', cache_key('hot')]) x 60);
is(statuses(@r), '200:60', 'all are served');
my @n = sort { $a <=> $b } map { hits($_, @r) } qw(a b c);
# 5/4 of a third
cmp_ok($n[2], '<=', 26, 'nobody gets more than 5/4 of its share');
cmp_ok($n[0], '>=', 8, 'the others take the rest');
provider_fault($_, '') for qw(a b c);
my %n = map { way(ask(model => 'hash', cache_key('hot'))) => 1 } 1 .. 12;
is(scalar keys %n, 1, 'without load it stays at home');



=== TEST 7: tiers in order
--- routes
ai_route t1 { target a; target b; target c tier=2; }
ai_route t2 { balance least_busy; target a; target b; target c tier=2; }
ai_route t3 { balance least_time; target a; target b; target c tier=2; }
ai_route t4 { balance hash; target a; target b; target c tier=2; }
--- check
my @models = qw(t1 t2 t3 t4);
sub used {
    my @r = ask_all(map { [model => $_[0], cache_key($_)] } 1 .. 24);
    return statuses(@r) . ' ' . join ' ', grep { hits($_, @r) } qw(a b c);
}
is(used($_), '200:24 a b', "$_: the first tier") for @models;
operate('a', 'drain');
is(used($_), '200:24 b', "$_: what is left of it") for @models;
operate('b', 'drain');
is(used($_), '200:24 c', "$_: the second") for @models;
operate('a', 'enable');
is(used($_), '200:24 a', "$_: the first again") for @models;
operate('b', 'enable');

# within one request, too
provider_fault($_, '500') for qw(a b);
my @r = map { ask(model => $models[$_ % 4]) } 1 .. 12;
is(scalar(grep { way($_) =~ /^(?:a,b|b,a),c$/ } @r), 12, 'failover');
is(statuses(@r), '200:12', 'all are served');



=== TEST 8: hash, two models of one account
--- routes
ai_route twins { balance hash; target a model=x; target a model=y; }
--- check
my %n;
$n{ask(model => 'twins', cache_key($_))->{h}{'x-ai-model'}}++ for 1 .. 24;
is(join(' ', sort keys %n), 'x y', 'both are used');
