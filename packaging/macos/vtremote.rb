# The formula for a tap: brew install --HEAD, or from a release once there is one.
class Vtremote < Formula
  desc "Mac's hardware video encoders and decoders for ffmpeg on other machines"
  homepage "https://github.com/vtremote/vtremote"
  license any_of: ["MIT", "Apache-2.0"]
  head "https://github.com/vtremote/vtremote.git", branch: "main"

  depends_on "rust" => :build
  depends_on :macos

  def install
    # Without the libavcodec backend: VideoToolbox needs no FFmpeg, and Homebrew's is under the GPL.
    system "cargo", "install", "--no-default-features", *std_cargo_args(path: "vtremoted")
    system "cargo", "install", *std_cargo_args(path: "cli")
    pkgshare.install "packaging/macos"
    doc.install Dir["docs/*.md"]
  end

  service do
    run [opt_bin/"vtremoted", "--listen", "127.0.0.1", "--log-file", var/"log/vtremoted.log"]
    keep_alive successful_exit: false
    process_type :interactive
  end

  def caveats
    <<~EOS
      brew services start vtremote serves this Mac only. For other machines, with a token:
        vtremoted service install -- --listen 0.0.0.0
      and again, without flags, after each update. See docs/macos.md.
    EOS
  end

  test do
    assert_match "videotoolbox", shell_output("#{bin}/vtremoted --version")
    assert_match version.to_s, shell_output("#{bin}/vtremote --version") unless head?
  end
end
