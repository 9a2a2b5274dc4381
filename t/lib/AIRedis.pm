# Copyright (C) nginx-ai-route contributors

package AIRedis;

=head1 NAME

AIRedis - several Redis servers of a test file's own, and traffic meanwhile

=head1 SYNOPSIS

    use lib 't/lib';
    use AIRoute providers => ['a'];
    use Test::Nginx::Socket 'no_plan';
    use AIRedis;

    server_up('one');
    server_up('two', '--replicaof', "127.0.0.1 $ENV{TEST_NGINX_ONE}");

    my @fh = traffic(4, 40);
    server_down('one', 'KILL');
    is(served(@fh), 160, 'all were served');
    is(requests_in('two'), 160, 'and recorded');

They are ended by process id when the file ends.

=head2 Functions

=cut

use strict;
use warnings;

use AIClient ();
use AIRoute ();
use Exporter 'import';
use POSIX ();
use Time::HiRes ();

our @EXPORT = qw(server_up server_down server_signal server_at server_cli
                 entries requests_in shard_of traffic served cli_options
                 log_has log_count in_step);

my (%server, @options);
my $owner = $$;


=over

=item server_up(NAME[, OPTION...])

Starts a Redis, again with the port, the folder and the options that it had if
it had any.  Its port is in TEST_NGINX_<NAME>; with C<--sentinel> it is one.
It waits until the server answers anything.

=cut

sub server_up {
    my ($name, @options) = @_;
    my $s = $server{$name} ||= {};

    reserve($name);
    $s->{options} ||= \@options;
    my $dir = AIRoute::tmp_dir() . "/redis-$name";

    mkdir $dir;

    my @all = @{ $s->{options} };
    my @port = grep({ $_ eq '--tls-port' } @all) ? () : ('--port', $s->{port});
    my @conf;

    if (grep { $_ eq '--sentinel' } @all) {
        # a sentinel writes to its configuration
        @conf = "$dir/sentinel.conf";
        unless (-e $conf[0]) {
            open my $fh, '>', $conf[0] or die "$conf[0]: $!\n";
            print $fh "dir $dir\n";
            close $fh;
        }
    } else {
        push @port, '--save', '', '--appendonly', 'no';
    }

    $s->{pid} = AIRoute::spawn("redis-$name", 'redis-server', @conf, @port,
                               '--bind', '127.0.0.1', '--dir', $dir, @all);

    AIRoute::wait_for(10, sub { server_cli($name, 'PING') ne '' })
        or die "redis $name did not start:\n",
               AIRoute::slurp(AIRoute::tmp_dir() . "/redis-$name.log");
    return $s->{port};
}


# the port that a server has, or will have: some options name it

sub reserve {
    my $name = shift;

    $server{$name}{port} ||= AIRoute::free_port();
    return $ENV{'TEST_NGINX_' . uc $name} = $server{$name}{port};
}


=item server_down(NAME[, SIGNAL]), server_signal(NAME, SIGNAL)

Ends it; sends it a signal.

=cut

sub server_down { AIRoute::reap(delete $server{ $_[0] }{pid}, $_[1]) }

sub server_signal { kill $_[1], $server{ $_[0] }{pid} }

sub server_at { return $server{ $_[0] }{port} }


=item server_cli(NAME, WORD...), cli_options(OPTION...)

Output of one command; options that all of redis-cli's calls have from now on.

=cut

sub cli_options { @options = @_ }

sub server_cli {
    my ($name, @words) = @_;

    open my $fh, '-|', 'sh', '-c', 'exec timeout 10 redis-cli "$@" 2>&1',
         'sh', '-p', $server{$name}{port}, @options, @words
        or die "cannot run redis-cli: $!\n";
    local $/;
    my $out = <$fh>;
    close $fh;
    return '' if !defined $out || $out =~ /^Could not connect/;
    return $out;
}


=item in_step(REPLICA, MASTER)

Waits until the one has all that the other one has, or dies.  A replica whose
link is up has loaded what its master had; what came meanwhile is still to come,
and the command WAIT of a connection that has written nothing waits for nothing.

=cut

sub in_step {
    my ($replica, $master) = @_;

    AIRoute::wait_for(30, sub {
        my ($at) = server_cli($replica, 'INFO', 'replication')
                   =~ /role:slave[\s\S]*master_link_status:up
                       [\s\S]*slave_repl_offset:(\d+)/x;
        my ($want) = server_cli($master, 'INFO', 'replication')
                     =~ /role:master[\s\S]*master_repl_offset:(\d+)/;
        defined $at && defined $want && $at == $want
    }) or die "$replica is not where its master $master is\n";
}


=item entries(NAME[, KEY...]), requests_in(NAME[, KEY...])

All entries of the server's streams, each a hash of its fields; how many
different requests have left a record.

=cut

sub entries {
    my ($name, @keys) = @_;
    my @entries;

    for my $key (@keys ? @keys : 'ai:usage') {
        my @lines = split /\n/, server_cli($name, 'XRANGE', $key, '-', '+');
        while (@lines) {
            if ($lines[0] =~ /^\d+-\d+$/) {
                push @entries, { id => shift @lines, key => $key };
                next;
            }
            last unless @entries;
            my ($field, $value) = splice @lines, 0, 2;
            $entries[-1]{$field} = $value;
        }
    }

    return @entries;
}

sub requests_in {
    my %seen = map { $_->{event_id} => 1 }
               grep { ($_->{kind} || '') eq 'request' } entries(@_);

    return scalar keys %seen;
}


=item shard_of(EVENT_ID, SHARDS)

The number of its stream: FNV-1a of what is before the slash.

=cut

sub shard_of {
    my ($id, $n) = @_;
    my $hash = 2166136261;

    for my $ch (unpack 'C*', $id =~ s{/.*}{}r) {
        $hash = (($hash ^ $ch) * 16777619) & 0xffffffff;
    }

    return ($hash ^ $hash >> 16) % $n;
}


=item log_has(PATTERN), log_count(PATTERN)

Whether the error log has it, and in how many lines.

=cut

sub log_has { return log_count(@_) > 0 }

sub log_count {
    my $pattern = shift;
    my $log = AIRoute::slurp("$ENV{TEST_NGINX_SERVROOT}/logs/error.log");

    return scalar grep { /$pattern/ } split /\n/, $log;
}


=item traffic(CLIENTS, EACH[, PAUSE]), served(HANDLE...)

So many clients at once, in processes of their own, with so many requests each
and so many seconds between them; how many of these were answered with 200.

=back

=cut

sub traffic {
    my ($clients, $each, $pause) = @_;
    my @fh;

    for (1 .. $clients) {
        my $pid = open my $fh, '-|';
        die "cannot fork: $!\n" unless defined $pid;

        if ($pid == 0) {
            my $ok = 0;
            for my $n (1 .. $each) {
                $ok++ if AIClient::ask(stream => $n % 2)->{status} == 200;
                Time::HiRes::sleep($pause) if $pause;
            }
            print "$ok\n";
            close STDOUT;
            POSIX::_exit(0);
        }

        push @fh, $fh;
    }

    return @fh;
}

sub served {
    my $n = 0;

    $n += readline $_ for @_;
    return $n;
}


END {
    if ($$ == $owner) {
        local $?;

        # a stopped one takes no other signal
        for my $s (grep { $_->{pid} } values %server) {
            kill 'CONT', $s->{pid};
            AIRoute::reap($s->{pid}, 'KILL');
        }
    }
}

1;
