# Copyright (C) nginx-ai-route contributors

package AIWorkers;

=head1 NAME

AIWorkers - the processes of a block's nginx

=head1 SYNOPSIS

    use AIRoute;
    use Test::Nginx::Socket 'no_plan';
    use AIWorkers;

    workers(2);

    reload();
    kill_workers();

=head2 Functions

=cut

use strict;
use warnings;

use AIRoute ();
use Exporter 'import';
use Test::More ();
use Time::HiRes qw(time sleep);

our @EXPORT = qw(nginx_signal nginx_is_gone nginx_stop nginx_start nginx_kill
                 workers_now reload kill_workers);


sub pid_file { return "$ENV{TEST_NGINX_SERVROOT}/logs/nginx.pid" }

sub master { return AIRoute::slurp(pid_file()) =~ /(\d+)/ }


=over

=item nginx_signal(NAME)

To the master.

=cut

sub nginx_signal {
    my ($master) = master();

    kill $_[0], $master;
}


=item nginx_is_gone()

True when the master has removed its pid.

=cut

sub nginx_is_gone { return !-f pid_file() }


=item nginx_stop([NAME]), nginx_start([WORD...])

Ends the block's nginx by a signal, QUIT if none is named, waits for that and
returns the seconds it took; starts it again with the configuration that is
there now.  The words stand before nginx's own command line.

=cut

sub nginx_stop {
    my $start = time;

    nginx_signal($_[0] || 'QUIT');
    AIRoute::wait_for(10, \&nginx_is_gone) or die "nginx does not stop\n";
    return time - $start;
}

sub nginx_start {
    my $root = $ENV{TEST_NGINX_SERVROOT};
    my $bin = $ENV{TEST_NGINX_BINARY} || 'nginx';

    system("@_ $bin -p $root/ -c $root/conf/nginx.conf") == 0
        or die "nginx does not start\n";
    AIRoute::wait_port(Test::Nginx::Util::server_port(), 5)
        or die "nginx does not listen\n";
    sleep 0.2;
}


=item nginx_kill()

Kills the master and all workers at once.  The block says

    --- log_ok chomp
    exited on signal 9

=cut

sub nginx_kill {
    my @workers = workers_now();

    nginx_signal('KILL');
    kill 'KILL', @workers;
    sleep 0.3;
    unlink pid_file();
}


=item workers_now()

Their pids, those of old ones that are about to end, too.

=cut

sub workers_now {
    my ($master) = master();

    return split ' ', `ps -o pid= --ppid $master`;
}


# until all that there shall be are new, and, if asked for, the old ones gone

sub replaced {
    my ($gone, @old) = @_;
    my %old = map { $_ => 1 } @old;

    return AIRoute::wait_for(8, sub {
        my @now = workers_now();
        my @new = grep { !$old{$_} } @now;

        return @new == Test::Nginx::Util::workers()
               && (!$gone || @now == @new);
    });
}


=item reload([gone => 1])

The old workers have no listening socket any more when it returns, or are gone.

=cut

sub reload {
    my %o = @_;
    my @old = workers_now();

    nginx_signal('HUP');
    replaced($o{gone}, @old) or die "no reload\n";
    sleep 0.4 unless $o{gone};
    return 1;
}


=item kill_workers()

All at once; others take their place.  It is a test that there were two.  The
block says

    --- log_ok chomp
    exited on signal 9

=back

=cut

sub kill_workers {
    my @old = workers_now();
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    Test::More::is(scalar @old, 2, 'two workers');
    kill 'KILL', @old;
    replaced(1, @old) or die "no new workers\n";
    sleep 0.2;
}

1;
