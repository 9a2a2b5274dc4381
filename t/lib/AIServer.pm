# Copyright (C) nginx-ai-route contributors

package AIServer;

=head1 NAME

AIServer - providers of a few lines, for answers that ai-provider never gives

=head1 SYNOPSIS

    use AIRoute;
    use AIServer;

    $ENV{TEST_NGINX_OWN} = free_port();     # for the configuration

    own_server('OWN', sub {
        my ($c, $request) = @_;
        syswrite $c, "HTTP/1.1 200 OK\r\n\x01: x\r\n\r\n";
    });

=head2 Functions

=cut

use strict;
use warnings;

use Exporter 'import';
use IO::Socket::INET ();
use POSIX ();

our @EXPORT = qw(own_server);

my @pids;


=over

=item own_server(NAME, CODE[, serial => 1])

Listens on the port in the environment variable TEST_NGINX_NAME.  CODE gets
each connection and the request that came over it, head and body as they were
sent; the connection is closed after it.  It runs in a process for each of
them, or with "serial" in one, one after the other.

=cut

sub own_server {
    my ($name, $code, %o) = @_;
    my $l = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64,
                                  LocalPort => $ENV{"TEST_NGINX_$name"},
                                  ReuseAddr => 1)
        or die "cannot listen: $!\n";
    my $pid = fork;

    die "cannot fork: $!\n" unless defined $pid;
    push(@pids, $pid), return if $pid;

    # nothing of the test file's may run here, not even its end
    eval { serve($l, $code, $o{serial}) };
    warn $@;
    POSIX::_exit(1);
}


sub serve {
    my ($l, $code, $serial) = @_;

    setpgrp;
    $SIG{CHLD} = 'IGNORE';

    while (1) {
        my $c = $l->accept or next;

        next if !$serial && fork;
        my $request = read_request($c);
        $code->($c, $request) if defined $request;
        POSIX::_exit(0) unless $serial;
    }
}


# up to its end, or nothing

sub read_request {
    my $c = shift;
    my $raw = '';

    until ($raw =~ /\r\n\r\n(.*)\z/s
           && length $1 >= ($raw =~ /^Content-Length: (\d+)/mi)[0])
    {
        sysread $c, $raw, 65536, length $raw or return;
    }

    return $raw;
}


=item AIServer::end_all()

Ends them; L<AICheck> does after every block.

=back

=cut

sub end_all {
    kill 'KILL', -$_ for @pids;
    waitpid $_, 0 for splice @pids;
}

1;
