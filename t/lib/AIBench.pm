package AIBench;

# Copyright (C) nginx-ai-route contributors

# What the benchmarks share: a folder and processes that end with them, free
# ports, load by wrk, and the CPU time of a worker.

use strict;
use warnings;

use Cwd ();
use File::Basename ();
use File::Path ();
use File::Temp ();
use IO::Socket::INET ();
use POSIX ();
use Time::HiRes ();

use Exporter 'import';

our @EXPORT = qw(begin stop_with help slurp spew free_port pinned run spawn
                 stop provider_start redis_start redis_added nginx_start
                 nginx_version chat_body cpu wrk post median at
                 least_most raw);

our $root = Cwd::realpath(File::Basename::dirname(__FILE__) . '/../..');
our $build = "$root/build";
our $module = "$build/ngx_http_ai_route_module.so";

my $tool = File::Basename::basename($0);
my $owner = $$;
my $hz = POSIX::sysconf(POSIX::_SC_CLK_TCK());
my $cpus = () = slurp('/proc/cpuinfo') =~ /^processor\b/mg;
our ($dir, %port);
our $pin = 1;
our $patience = 5;              # seconds until something listens
my (%pid, @order);

$ENV{PATH} .= ':/usr/sbin:/usr/local/sbin';


# --help prints the text and ends; any other argument is a mistake

sub help {
    my $text = shift;

    for (@ARGV) {
        print $text;
        exit(/^(-h|--help)$/ ? 0 : 2);
    }
    $| = 1;
}


# the folder, once what is needed is there

sub begin {
    my @need = ($module, @_);

    for my $need (@need) {
        -e $need or stop_with("no $need: run \"make $tool\"");
    }

    $SIG{$_} = sub { exit 130 } for qw(INT TERM HUP PIPE);

    $dir = File::Temp::tempdir("ai-route-$tool.XXXXXX", TMPDIR => 1);
    chmod 0755, $dir;
}


sub stop_with {
    print STDERR "$tool: ", @_, "\n";
    exit 1;
}


sub slurp {
    my $path = shift;

    open my $fh, '<', $path or return '';
    local $/;
    my $text = <$fh>;
    return defined $text ? $text : '';
}


sub spew {
    my ($path, $text) = @_;

    open my $fh, '>', $path or stop_with("cannot write $path: $!");
    print $fh $text;
    close $fh;
}


sub free_port {
    my $name = shift;

    for (1 .. 200) {
        my $p = 20000 + int rand 12000;
        my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
                                      LocalPort => $p, Listen => 1);
        return $port{$name} = $p if $s && !grep { $_ == $p } values %port;
    }
    stop_with('no free port');
}


# Nginx has one core for itself, everything else shares another one, unless
# $AIBench::pin is 0.

sub pinned {
    my ($core, @command) = @_;

    return $pin && $cpus > 1 ? ('taskset', '-c', $core, @command) : @command;
}


# starts what listens at $port{NAME}, and waits for that

sub spawn {
    my ($name, @command) = @_;
    my $pid = fork;

    stop_with("cannot fork: $!") unless defined $pid;

    if ($pid == 0) {
        setpgrp;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$dir/$name.out";
        open STDERR, '>&', \*STDOUT;
        { no warnings 'exec'; exec { $command[0] } @command; }
        print STDERR "cannot run $command[0]: $!\n";
        POSIX::_exit(127);
    }

    $pid{$name} = $pid;
    push @order, $name;

    for (1 .. 50 * $patience) {
        return $pid if IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                             PeerPort => $port{$name},
                                             Timeout => 1);
        if (waitpid($pid, POSIX::WNOHANG()) != 0) {
            delete $pid{$name};
            last;
        }
        Time::HiRes::sleep(0.02);
    }
    stop_with("$name did not start:\n", slurp("$dir/$name.out"),
              slurp("$dir/error.log"));
}


sub stop {
    my $name = shift;
    my $pid = delete $pid{$name} or return;

    kill 'TERM', $pid;
    for (1 .. 500) {
        return if waitpid($pid, POSIX::WNOHANG()) != 0;
        Time::HiRes::sleep(0.02);
    }
    kill 'KILL', $pid;
    waitpid $pid, 0;
}


# t/provider as a provider that behaves as "sim" says

sub provider_start {
    my ($name, $sim) = @_;

    free_port($name);
    spawn($name, pinned(0, "$build/ai-provider", '--sim', $sim, '--listen',
                        "127.0.0.1:$port{$name}=$name"));
}


sub redis_start {
    free_port('redis') if !$port{redis};
    spawn('redis', pinned(0, 'redis-server', '--port', $port{redis}, '--bind',
                          '127.0.0.1', '--dir', $dir, '--save', '',
                          '--appendonly', 'no'));
}


# records that were ever added; undef before Redis 7, which does not count

sub redis_added {
    my $out = `redis-cli -p $port{redis} XINFO STREAM ai:usage 2>/dev/null`;

    return $out =~ /^entries-added\n(\d+)/m ? $1 : $out eq '' ? 0 : undef;
}


# Starts nginx with this configuration, whose folder is $dir; NAME is its
# port's.  Returns the process ids of its workers.

sub nginx_start {
    my ($name, $conf, $workers) = @_;
    my $nginx = $ENV{NGINX} || 'nginx';
    my @worker;

    delete local $ENV{NGINX};        # nginx takes it for inherited sockets

    spew("$dir/$name.conf", $conf);
    my $pid = spawn($name, pinned(1, $nginx, '-e', "$dir/error.log", '-p',
                                  "$dir/", '-c', "$dir/$name.conf"));

    for (1 .. 100) {
        @worker = grep { parent($_) == $pid }
                  map { m{(\d+)$} } glob '/proc/[0-9]*';
        return @worker if @worker >= ($workers || 1);
        Time::HiRes::sleep(0.02);
    }
    stop_with('no nginx worker');
}


sub nginx_version {
    my $nginx = $ENV{NGINX} || 'nginx';

    delete local $ENV{NGINX};
    open my $fh, '-|', 'sh', '-c', '"$0" -v 2>&1', $nginx
        or stop_with("cannot run $nginx: $!");
    my ($version) = <$fh> =~ m{nginx/(\S+)};
    return $version;
}


sub parent {
    my ($rest) = slurp("/proc/$_[0]/stat") =~ /.*\) \S (\d+)/s;

    return defined $rest ? $rest : 0;
}


# A chat of some size: messages first and the model after them, as the common
# SDKs send it.

sub chat_body {
    my ($bytes, %more) = @_;
    require JSON::PP;

    my $text = "Explain how a reverse proxy keeps its connections alive, what"
             . " it does on a \"503\" from one of two servers,\nand when it"
             . " must not repeat a request. ";
    my @messages = ({ role => 'system', content => 'Answer briefly.' });
    my $json = JSON::PP->new->canonical;
    my $rest = $json->encode({ max_tokens => 256, model => 'gpt-4o-mini',
                               temperature => 0.2, user => 'u-1729', %more });
    my $n = length $rest;

    while ($n + 100 < $bytes) {
        my $want = $bytes - $n - 100;
        my $content = $text x (1 + int rand 4);
        $content = substr $content, 0, $want if length $content > $want;
        push @messages, { role => @messages % 2 ? 'user' : 'assistant',
                          content => $content };
        $n += length $json->encode($messages[-1]);
    }

    return '{"messages":' . $json->encode(\@messages) . ',' . substr $rest, 1;
}


# CPU seconds of a process, all its threads, and of those it has started.  The
# scheduler's own clock counts nanoseconds; utime and stime count ticks of 10 ms.

sub cpu {
    my $pid = shift;
    my ($seconds, $found) = (0, 0);

    for my $task (glob "/proc/$pid/task/[0-9]*") {
        if (slurp("$task/schedstat") =~ /^(\d+)/) {
            $seconds += $1 / 1e9;
            $found ||= $1 > 0;
        }
        $seconds += cpu($_) for split ' ', slurp("$task/children");
    }
    return $seconds if $found;

    my @f = split ' ', (slurp("/proc/$pid/stat") =~ /.*\)(.*)/s)[0];
    return $seconds + ($f[11] + $f[12]) / $hz;
}


# the numbers of the line "RESULT a=1 b=2" that a command prints

sub run {
    my @command = @_;

    open my $fh, '-|', @command or stop_with("cannot run $command[0]: $!");
    my ($line) = grep { /^RESULT/ } <$fh>;
    close $fh;
    defined $line or stop_with("$command[0] gave no result");

    return { $line =~ /(\w+)=([\d.]+)/g };
}


# load: url, script, seconds, connections

sub wrk {
    my %o = @_;

    return run(pinned(0, 'wrk', '-t1', "-c$o{connections}",
                      "-d$o{seconds}s", '--timeout', '10s', '-s', $o{script},
                      $o{url}));
}


# COUNT times BODY to that path of "nginx", over one connection and one after
# the other, with the bearer that CODE has for each; then each must be answered
# with 200.

sub post {
    my ($path, $body, $count, $code) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $port{nginx})
        or stop_with("cannot connect: $!");

    for my $i (1 .. $count) {
        my $bearer = $code ? $code->($i) : 'none';
        my ($in, $end) = ('');

        syswrite $s, "POST $path HTTP/1.1\r\nHost: x\r\n"
                     . "Content-Type: application/json\r\n"
                     . "Authorization: Bearer $bearer\r\nContent-Length: "
                     . length($body) . "\r\n\r\n$body";
        until (defined $end && length $in >= $end
               || $in =~ /\r\n0\r\n\r\n\z/) {
            sysread $s, $in, 65536, length $in
                or stop_with("no whole answer: $in");
            $end //= $+[0] + $1
                if $in =~ /^Content-Length: (\d+)\r\n(?:.+\r\n)*\r\n/mi;
        }
        !$code || $in =~ m{^HTTP/1.1 200 } or stop_with($in);
    }
}


# every slice to the file RAW, tab-separated: tool, what, CPU in microseconds of
# a request or stream, and how many of them a second

sub raw {
    my ($what, $us, $rate) = @_;

    $ENV{RAW} or return;
    open my $fh, '>>', $ENV{RAW} or stop_with("cannot write $ENV{RAW}: $!");
    printf $fh "%s\t%s\t%.2f\t%.1f\n", $tool, $what, $us, $rate;
    close $fh or stop_with("cannot write $ENV{RAW}: $!");
}


sub median {
    my @v = sort { $a <=> $b } @_;

    return @v % 2 ? $v[$#v / 2] : ($v[@v / 2 - 1] + $v[@v / 2]) / 2;
}


sub at {
    my ($percent, @v) = @_;

    @v = sort { $a <=> $b } @v;
    return $v[POSIX::floor($#v * $percent / 100 + 0.5)];
}


sub least_most {
    my @v = sort { $a <=> $b } @_;

    return @v[0, -1];
}


END {
    if ($$ == $owner) {
        my $rc = $?;

        local @SIG{qw(INT TERM HUP PIPE)} = ('IGNORE') x 4;
        stop($_) for reverse @order;
        if ($rc && $rc != 130 && defined $dir && -s "$dir/error.log") {
            print STDERR "nginx's log ends with:\n",
                         substr slurp("$dir/error.log"), -1500;
        }
        File::Path::remove_tree($dir) if defined $dir;
        $? = $rc;
    }
}


1;
