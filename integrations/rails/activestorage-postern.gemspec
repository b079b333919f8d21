# frozen_string_literal: true

Gem::Specification.new do |spec|
  spec.name = "activestorage-postern"
  spec.version = "0.1.0"
  spec.summary = "An Active Storage service whose URLs have Postern's tokens: nginx sends the private files."
  spec.authors = ["Postern contributors"]
  spec.license = "MIT"
  spec.homepage = "https://github.com/OWNER/postern"
  spec.required_ruby_version = ">= 3.1"
  spec.files = Dir["lib/**/*", "README.md", "CHANGELOG.md", "LICENSE"]
  spec.metadata = { "rubygems_mfa_required" => "true" }

  spec.add_dependency "activestorage", ">= 7.2", "< 9"
  spec.add_dependency "jwt", ">= 2.7", "< 4"
end
