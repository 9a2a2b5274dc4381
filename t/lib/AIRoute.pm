# Copyright (C) nginx-ai-route contributors

package AIRoute;

=head1 NAME

AIRoute - what the test files in t/ share

=head1 SYNOPSIS

    use lib 't/lib';
    use AIRoute providers => [qw(a b)], redis => 1;   # before Test::Nginx
    use Test::Nginx::Socket 'no_plan';

    run_tests();

    __DATA__

    === TEST 1: a request reaches account a
    --- http_config
    ai_usage redis://127.0.0.1:$TEST_NGINX_REDIS_PORT/0 stream=ai:usage;
    upstream a { server 127.0.0.1:$TEST_NGINX_PROVIDER_A;
                 ai_account provider=compatible base=http://a/v1; }
    ...

It starts one simulated provider (build/ai-provider) per name, each on a free
port and in a process of its own, and a private Redis where asked for; ends
them by process id; and arranges Test::Nginx so that a file runs anywhere and
beside others: free port, server root below build/t (or in a temporary folder,
where workers may not enter that), the module loaded, one worker below a master.

After every block, and after its nginx has stopped, the error log must hold
no [alert], [crit] or [emerg] and no sanitizer's report.  Two tests per block
do that.  A block that provokes such a line says so:

    --- log_ok chomp
    \[alert\] .* exited on signal 9

(a regular expression; lines that match it are allowed).  A block with
must_die may log [emerg].

=head2 Arguments of "use AIRoute"

    providers => [NAME...]   plain HTTP providers (default: none)
    tls => [NAME...]         providers that speak TLS, certificate for
                             localhost, *.test and 127.0.0.1
    key => [SECRET...]       credentials the providers accept (default: any)
    redis => 1               a private Redis

=head2 Variables for a block's configuration

    $TEST_NGINX_PROVIDER_<NAME>   port of that provider
    $TEST_NGINX_REDIS_PORT        port of the private Redis
    $TEST_NGINX_DEAD_PORT         a port that refuses connections
    $TEST_NGINX_CA                CA certificate of the TLS providers
    $TEST_NGINX_NO_KEEPALIVE      for upstream blocks: a connection for each
                                  request, which was the default before 1.29.7
    $TEST_NGINX_TMP               folder of this test file, removed at the end

=head2 Functions

=cut

use strict;
use warnings;

use Cwd ();
use Digest::SHA ();
use Fcntl qw(:flock O_CREAT O_RDWR);
use File::Basename ();
use File::Path ();
use File::Temp ();
use HTTP::Tiny ();
use IO::Socket::INET ();
use JSON::PP ();
use POSIX ();
use Time::HiRes ();

our (%provider_port, $redis_port);

our @EXPORT = qw(
    %provider_port $redis_port
    provider_start provider_stop provider_fault provider_get provider_reset
    stats requests seen
    redis_start redis_stop redis_pid redis_cli usage_entries
    operate operator_reset accounts_open
    free_port wait_port wait_for tmp_dir build_dir slurp slurp_lines
    spew deploy
    nginx_version
);

$ENV{TEST_NGINX_ADMIN} //= Digest::SHA::sha256_hex('s3cr3t');

my $root = Cwd::realpath(File::Basename::dirname(__FILE__) . '/../..');
my $build = $ENV{AI_ROUTE_BUILD} || "$root/build";
my $owner = $$;
my ($tmp, %provider, $redis, %lock, @keys);

sub build_dir { return $build }
sub tmp_dir { return $tmp }


sub import {
    my ($class, %arg) = @_;
    my $caller = caller;

    {
        no strict 'refs';
        for my $name (@EXPORT) {
            if ($name =~ /^%(.*)/) {
                *{"${caller}::$1"} = \%{$1};
            } elsif ($name =~ /^\$(.*)/) {
                *{"${caller}::$1"} = \${$1};
            } else {
                *{"${caller}::$name"} = \&{$name};
            }
        }
    }

    return if defined $tmp;

    die "Test::Nginx is loaded already: say \"use AIRoute\" first\n"
        if $INC{'Test/Nginx/Util.pm'};

    $tmp = folder();

    @keys = @{ $arg{key} || [] };

    test_nginx();

    for my $name (@{ $arg{providers} || [] }) {
        provider_start($name);
    }

    if ($arg{tls}) {
        certificates();
        provider_start($_, tls => 1) for @{ $arg{tls} };
    }

    redis_start() if $arg{redis};
}


# A folder for this file's run.  Workers of a master that is root are nobody, and
# do not come to what is below a folder like /root.

sub folder {
    my $to = "$build/t/$$";

    for (my $dir = $build; $> == 0 && $dir ne '/';
         $dir = File::Basename::dirname($dir))
    {
        next if (stat $dir)[2] & 01;

        $to = File::Temp::tempdir('ai-route.XXXXXX', TMPDIR => 1);
        chmod 0755, $to;
        return $to;
    }

    File::Path::remove_tree($to);
    File::Path::make_path($to);
    return $to;
}


# Test::Nginx reads its settings when it is loaded, and nothing here may
# override what the caller set for a single run.

sub test_nginx {
    my $so = defined $ENV{AI_ROUTE_MODULE}
             ? $ENV{AI_ROUTE_MODULE}        # empty: linked into nginx
             : "$build/ngx_http_ai_route_module.so";

    die "no $so: run \"make\" first\n" if $so ne '' && !-f $so;

    # Debian keeps nginx where a user's PATH may not look
    $ENV{PATH} .= ':/usr/sbin:/usr/local/sbin';

    $ENV{TEST_NGINX_LOAD_MODULES} = $so;
    $ENV{TEST_NGINX_SERVROOT} = "$tmp/servroot";
    $ENV{TEST_NGINX_TMP} = $tmp;
    $ENV{TEST_NGINX_SERVER_PORT} ||= free_port(2);
    $ENV{TEST_NGINX_DEAD_PORT} = free_port();
    $ENV{TEST_NGINX_NO_KEEPALIVE} =
        nginx_version() >= 1029007 ? 'keepalive 0;' : '';
    $ENV{TEST_NGINX_MASTER_PROCESS} ||= 'on';
    $ENV{TEST_NGINX_LOG_LEVEL} ||= 'info';
    $ENV{TEST_NGINX_NO_SHUFFLE} = 1
        unless defined $ENV{TEST_NGINX_NO_SHUFFLE};

    require Test::Nginx::Util;
    Test::Nginx::Util::worker_connections(1024);

    Test::Nginx::Util::add_block_preprocessor(sub {
        my $block = shift;
        my $level = defined $block->must_die ? 'alert|crit'
                                             : 'alert|crit|emerg';
        my $ok = $block->log_ok;
        my $bad = qr/\[(?:$level)\]|Sanitizer|runtime error:/;

        # what nginx says when it refuses to start is in the log, too
        $block->set_value('suppress_stderr', 1) if defined $block->must_die;

        # one pattern for all, so that it counts as one test
        $bad = qr/^(?!.*(?:$ok)).*$bad/ if defined $ok && $ok ne '';

        add_pattern($block, 'no_error_log', $bad);
        add_pattern($block, 'no_shutdown_error_log', $bad)
            unless defined $block->must_die;
    });
}


sub add_pattern {
    my ($block, $section, $pattern) = @_;
    my $have = $block->$section;
    my @all = !defined $have ? ()
            : ref $have eq 'ARRAY' ? @$have
            : ref $have ? ($have)
            : grep { length } split /\n+/, $have;

    # a list set here would be set again for each repetition of the block
    return if grep { ref $_ && "$_" eq "$pattern" } @all;
    $block->set_value($section, [@all, $pattern]);
}


=over

=item free_port([COUNT])

A port that nothing listens on (the first of COUNT successive ones).  It lies
below the range from which the system picks ports for outgoing connections,
and other test files running at the same time do not get it.

=cut

sub free_port {
    my $count = shift || 1;
    my $dir = "$build/t/ports";

    File::Path::make_path($dir);

    TRY:
    for (1 .. 500) {
        my $port = 20000 + int rand 12000;
        my @held;

        for my $p ($port .. $port + $count - 1) {
            sysopen my $fh, "$dir/$p", O_CREAT | O_RDWR or next TRY;
            flock $fh, LOCK_EX | LOCK_NB or next TRY;
            # no ReuseAddr: a port in TIME_WAIT is not free enough
            IO::Socket::INET->new(LocalAddr => '0.0.0.0', LocalPort => $p,
                                  Listen => 1) or next TRY;
            push @held, $fh;
        }

        # the locks last as long as this process
        $lock{$port} = \@held;
        return $port;
    }

    die "no free port between 20000 and 32000\n";
}


=item nginx_version()

Of the nginx under test, as nginx's own C has it: 1022001.

=cut

sub nginx_version {
    my $nginx = $ENV{TEST_NGINX_BINARY} || 'nginx';
    my ($x, $y, $z) = `$nginx -v 2>&1` =~ m{nginx/(\d+)\.(\d+)\.(\d+)}
        or die "$nginx does not tell its version\n";

    return $x * 1000000 + $y * 1000 + $z;
}


=item wait_for(SECONDS, CODE)

Calls CODE until it returns something true, which is then the result.

=cut

sub wait_for {
    my ($seconds, $code) = @_;
    my $end = Time::HiRes::time() + $seconds;

    while (1) {
        my $value = $code->();
        return $value if $value;
        return if Time::HiRes::time() >= $end;
        Time::HiRes::sleep(0.02);
    }
}


=item wait_port(PORT[, SECONDS])

Waits until PORT accepts connections.

=cut

sub wait_port {
    my ($port, $seconds) = @_;

    return wait_for($seconds || 5, sub {
        IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port,
                              Timeout => 1)
    });
}


=item slurp(PATH), slurp_lines(PATH)

What is in a file.  The second is for a file that is being written: it ends
with the last whole line, since the length of a file grows page by page while
one write() is under way, and is '' where there is no file yet.

=cut

sub slurp {
    my $path = shift;

    open my $fh, '<', $path or die "cannot open $path: $!\n";
    local $/;
    return scalar <$fh>;
}

sub slurp_lines {
    my $path = shift;

    return '' unless -e $path;
    return slurp($path) =~ /\A(.*\n)/s ? $1 : '';
}


=item spew(PATH, TEXT), deploy(PATH, TEXT[, over => 1])

Writes a file.  The second does it as deploy tools do, by a new file in its
place, or with "over" into the one that is there.

=cut

sub spew {
    my ($path, $text) = @_;

    open my $fh, '>', $path or die "cannot write $path: $!\n";
    print $fh $text;
    close $fh or die "cannot write $path: $!\n";
}

sub deploy {
    my ($path, $text, %o) = @_;

    return spew($path, $text) if $o{over};
    spew("$path.new", $text);
    rename "$path.new", $path or die "cannot rename $path.new: $!\n";
}


# starts a program in the background; its output goes to a file in $tmp

sub spawn {
    my ($name, @command) = @_;
    my $pid = fork;

    die "cannot fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$tmp/$name.log";
        open STDERR, '>&', \*STDOUT;
        { no warnings 'exec'; exec { $command[0] } @command; }
        POSIX::_exit(127);
    }

    return $pid;
}


sub reap {
    my ($pid, $signal) = @_;

    return unless $pid;
    kill $signal || 'TERM', $pid;

    return if wait_for(5, sub { waitpid($pid, POSIX::WNOHANG()) != 0 });
    kill 'KILL', $pid;
    waitpid $pid, 0;
}


=item provider_start(NAME[, tls => 1][, sim => SPEC])

Starts the provider NAME, on the port that it had before if it had one.

=cut

sub provider_start {
    my ($name, %arg) = @_;
    my $p = $provider{$name} ||= { port => free_port(), %arg };

    return $p->{port} if $p->{pid};
    die "no $build/ai-provider: run \"make provider\" first\n"
        unless -x "$build/ai-provider";

    my @command = ("$build/ai-provider");
    my $listen = "127.0.0.1:$p->{port}=$name";

    if ($p->{tls}) {
        push @command, '--tls-cert', "$tmp/cert.pem", '--tls-key',
             "$tmp/key.pem", '--tls-listen', $listen;
    } else {
        push @command, '--listen', $listen;
    }
    push @command, '--key', $_ for @keys;
    push @command, '--sim', $arg{sim} if defined $arg{sim};

    $p->{pid} = spawn("provider-$name", @command);
    wait_port($p->{port})
        or die "provider $name did not start:\n",
               slurp("$tmp/provider-$name.log");

    $provider_port{$name} = $p->{port};
    $ENV{'TEST_NGINX_PROVIDER_' . uc $name} = $p->{port};
    return $p->{port};
}


=item provider_stop(NAME)

Ends it: its port refuses connections from then on.

=cut

sub provider_stop {
    my $p = $provider{ $_[0] } or die "no provider \"$_[0]\"\n";

    reap(delete $p->{pid});
}


sub provider_url {
    my ($name, $path) = @_;
    my $p = $provider{$name} or die "no provider \"$name\"\n";

    return ($p->{tls} ? 'https' : 'http') . "://127.0.0.1:$p->{port}$path";
}


=item provider_fault(NAME, SCRIPT)

What the provider answers from now on, see t/provider/README.md; an empty
SCRIPT ends it.

=cut

sub provider_fault {
    my ($name, $script) = @_;
    my $answer = HTTP::Tiny->new(verify_SSL => 0)->post(
        provider_url($name, '/__fault'), { content => $script });

    die "fault \"$script\" at $name: $answer->{status} $answer->{content}\n"
        unless $answer->{success};
}


=item provider_get(NAME, PATH)

Body of one of the provider's own pages, such as /__last or /__stats.

=cut

sub provider_get {
    my ($name, $path) = @_;
    my $answer = HTTP::Tiny->new(verify_SSL => 0)->get(
        provider_url($name, $path));

    die "$path at $name: $answer->{status} $answer->{content}\n"
        unless $answer->{success};
    return $answer->{content};
}


=item provider_reset(NAME...)

Takes back all faults and zeroes the counters.

=cut

sub provider_reset {
    my $http = HTTP::Tiny->new(verify_SSL => 0);

    for my $name (@_) {
        $http->post(provider_url($name, '/__reset'), { content => '' });
    }
}


=item stats(NAME), requests(NAME)

The provider's counters, see t/provider/README.md, and one of them.

=cut

sub stats { return JSON::PP::decode_json(provider_get($_[0], '/__stats')) }

sub requests { return stats($_[0])->{requests} }


=item seen(NAME)

The last request that the provider got, and in "h" its headers, names in lower
case.

=cut

sub seen {
    my $last = JSON::PP::decode_json(provider_get($_[0], '/__last'));

    $last->{h} = { map { lc $_->[0] => $_->[1] } @{ $last->{headers} } };
    return $last;
}


=item operate(NAME, ACTION[, BEARER])

The gateway's answer to an operator: "reset", "drain", "disable" or "enable" of
an account.  It needs
C<location /ai/ { ai_status admin=sha256:$TEST_NGINX_ADMIN; }>.

=cut

sub operate {
    my ($name, $action, $bearer) = @_;
    my $port = Test::Nginx::Util::server_port();

    $bearer = 's3cr3t' unless defined $bearer;
    return HTTP::Tiny->new->post(
        "http://127.0.0.1:$port/ai/accounts/$name/$action",
        { headers => { Authorization => "Bearer $bearer" } });
}


=item operator_reset(NAME...), accounts_open(NAME...)

Both make the gateway forget what it remembers of these accounts; the second
one skips names that it does not know.

=cut

sub operator_reset { reset_account($_) for @_ }

sub accounts_open { reset_account($_, 404) for @_ }

sub reset_account {
    my ($name, $ok) = @_;
    my $answer = operate($name, 'reset');

    die "reset of $name: $answer->{status} $answer->{content}\n"
        unless $answer->{success} || $answer->{status} == ($ok || 0);
}


# One CA for the run of this file, and a certificate that it signs.

sub certificates {
    my $names = 'DNS:localhost,DNS:*.test,IP:127.0.0.1';
    my $script = <<"END";
set -e
cd '$tmp'
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=ai-route test CA' \\
    -keyout ca.key -out ca.pem
openssl req -newkey rsa:2048 -nodes -subj '/CN=localhost' \\
    -keyout key.pem -out cert.csr
echo 'subjectAltName=$names' > cert.ext
openssl x509 -req -days 2 -in cert.csr -CA ca.pem -CAkey ca.key \\
    -CAcreateserial -extfile cert.ext -out cert.pem
END

    open my $fh, '>', "$tmp/certificates.sh" or die "$tmp: $!\n";
    print $fh $script;
    close $fh;
    system("sh '$tmp/certificates.sh' >'$tmp/certificates.log' 2>&1") == 0
        or die "openssl failed:\n", slurp("$tmp/certificates.log");

    $ENV{TEST_NGINX_CA} = "$tmp/ca.pem";
}


=item redis_start([WORD...]), redis_stop([SIGNAL]), redis_pid()

The private Redis; started again it has the same port and is empty, unless
words of its command line (C<--appendonly yes>) say otherwise.

=cut

sub redis_pid { return $redis->{pid} }

sub redis_start {
    my @words = @_;

    return $redis->{port} if $redis->{pid};

    $redis->{port} ||= free_port();
    $redis->{pid} = spawn('redis', 'redis-server', '--port', $redis->{port},
                          '--bind', '127.0.0.1', '--dir', $tmp, '--save', '',
                          '--appendonly', 'no', '--daemonize', 'no', @words);

    wait_for(10, sub { redis_cli('PING') =~ /PONG/ })
        or die "redis-server did not start:\n", slurp("$tmp/redis.log");

    $redis_port = $ENV{TEST_NGINX_REDIS_PORT} = $redis->{port};
    return $redis_port;
}

sub redis_stop {
    reap(delete $redis->{pid}, $_[0]);
}


=item redis_cli(WORD...)

Output of one Redis command.

=cut

sub redis_cli {
    my @words = @_;

    open my $fh, '-|', 'sh', '-c', 'exec redis-cli "$@" 2>/dev/null', 'sh',
         '-p', $redis->{port}, @words
        or die "cannot run redis-cli: $!\n";
    local $/;
    my $out = <$fh>;
    close $fh;
    return defined $out ? $out : '';
}


=item usage_entries([STREAM[, COUNT]])

The stream's entries, oldest first, each a hash of its fields (and "id").
With COUNT it waits up to 3 s until there are that many.

=back

=cut

sub usage_entries {
    my ($stream, $count) = @_;
    my @entries;

    $stream = 'ai:usage' unless defined $stream;

    wait_for($count ? 3 : 0, sub {
        @entries = ();
        # the raw form is one value per line: id, then names and values in
        # turn, so an id is what stands where a name should
        my @lines = split /\n/, redis_cli('XRANGE', $stream, '-', '+'), -1;
        pop @lines;
        while (@lines) {
            if ($lines[0] =~ /^\d+-\d+$/) {
                push @entries, { id => shift @lines };
                next;
            }
            last unless @entries;
            my ($field, $value) = splice @lines, 0, 2;
            $entries[-1]{$field} = $value;
        }
        return !$count || @entries >= $count;
    });

    return @entries;
}


END {
    if (defined $tmp && $$ == $owner) {
        local $?;

        reap($_->{pid}) for values %provider;
        reap($redis->{pid}) if $redis;

        # a failed run leaves its logs and configuration for a look
        my $failed = Test::More->can('builder')
                     && !Test::More->builder->is_passing;
        if ($failed || $ENV{TEST_NGINX_NO_CLEAN}) {
            print STDERR "# logs and configuration are kept in $tmp\n";
        } else {
            File::Path::remove_tree($tmp);
        }
    }
}

1;
