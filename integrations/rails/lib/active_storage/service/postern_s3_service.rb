# frozen_string_literal: true

require "active_storage/service/s3_service"
require "postern/urls"

module ActiveStorage
  # Stores blobs as the S3 service does. Postern reads them there, with a mount that has a `storage`.
  class Service::PosternS3Service < Service::S3Service
    include ::Postern::Urls

    private
      def name_for(key, _content_type)
        key
      end
  end
end
