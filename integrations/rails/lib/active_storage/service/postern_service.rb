# frozen_string_literal: true

require "active_storage/service/disk_service"
require "postern/urls"

module ActiveStorage
  # Stores blobs as the Disk service does. nginx sends them, at URLs with Postern's tokens.
  class Service::PosternService < Service::DiskService
    include ::Postern::Urls

    # A blob has no extension on disk, and nginx chooses the type by the extension. So a URL names a symbolic link to
    # the blob, with one of these. Browsers show, play or save these types, and none of them can run a script. A blob of
    # another type can only be saved.
    EXTENSIONS = {
      "image/png" => "png", "image/jpeg" => "jpg", "image/gif" => "gif", "image/webp" => "webp", "image/avif" => "avif",
      "application/pdf" => "pdf", "text/csv" => "csv",
      "video/mp4" => "mp4", "video/webm" => "webm", "video/quicktime" => "mov",
      "audio/mpeg" => "mp3", "audio/mp4" => "m4a", "audio/ogg" => "ogg", "audio/opus" => "opus", "audio/aac" => "aac",
      "audio/flac" => "flac", "audio/x-wav" => "wav", "audio/wav" => "wav"
    }.freeze
    OTHER = "bin"

    # Where the links are, below the root. The folders of blobs there have names of two characters.
    LINKS = "links"

    def delete(key)
      super
      FileUtils.rm_f([*EXTENSIONS.values, OTHER].map { |extension| File.join(root, "#{link_for(key)}.#{extension}") })
    end

    def delete_prefixed(prefix)
      super
      links = File.join(root, link_for(prefix))
      FileUtils.rm_rf(prefix.end_with?("/") ? links : Dir.glob("#{links.gsub(/[\\*?\[\]{}]/) { "\\#{_1}" }}*"))
    end

    private
      # The extension follows the content, not the name that the uploader chose: a page can be named picture.png.
      def name_for(key, content_type)
        link = "#{link_for(key)}.#{EXTENSIONS.fetch(content_type, OTHER)}"
        file = Pathname(File.expand_path(link, root))
        file.dirname.mkpath
        file.make_symlink(Pathname(path_for(key)).relative_path_from(file.dirname))
        link
      rescue Errno::EEXIST
        # Only this blob has a link of this name, because the extension contains no dot.
        link
      end

      # Older patch versions of Rails do not reject keys that leave the root.
      def link_for(key)
        blob = Pathname(path_for(key)).relative_path_from(File.expand_path(root))
        raise ArgumentError, "key: leaves the root" if blob.to_s.start_with?("..")
        "#{LINKS}/#{blob}"
      end
  end
end
