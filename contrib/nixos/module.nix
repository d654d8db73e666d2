# Example of a NixOS module, with a package built from this repository. Not run by the tests of this repository.
#
#   imports = [ ./webpush-server/contrib/nixos/module.nix ];
#   services.webpush-server = {
#     enable = true;
#     settings.listen.origin = "https://push.example.net";
#     credentials."admin.tokens" = "/run/keys/webpush-admin-tokens";
#   };
{ config, lib, pkgs, ... }:
let
  cfg = config.services.webpush-server;
  toml = pkgs.formats.toml { };
  source = ../..;
  workspace = lib.importTOML (source + "/Cargo.toml");
in
{
  options.services.webpush-server = {
    enable = lib.mkEnableOption "webpush-server, a Web Push service";

    package = lib.mkOption {
      type = lib.types.package;
      description = "The program.";
      default = pkgs.rustPlatform.buildRustPackage {
        pname = "webpush-server";
        version = workspace.workspace.package.version;
        src = source;
        cargoLock.lockFile = source + "/Cargo.lock";
        cargoBuildFlags = [ "--package" "webpush-server" ];
        cargoTestFlags = [ "--package" "webpush-server" ];
        meta.mainProgram = "webpush-server";
      };
    };

    settings = lib.mkOption {
      type = toml.type;
      default = { };
      description = "The configuration file, table by table; see docs/configuration.md.";
    };

    credentials = lib.mkOption {
      type = lib.types.attrsOf lib.types.path;
      default = { };
      description = "Files that only root can read, by the setting they are for, without _file.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.webpush-server.settings.storage.data_dir = lib.mkDefault "/var/lib/webpush-server";

    environment.etc."webpush-server/webpush-server.toml".source = toml.generate "webpush-server.toml" cfg.settings;
    environment.systemPackages = [ cfg.package ];

    # The unit of the other packages, with Nix's path of the program.
    systemd.packages = [
      (pkgs.runCommand "webpush-server-unit" { } ''
        mkdir -p $out/lib/systemd/system
        substitute ${source}/contrib/systemd/webpush-server.service $out/lib/systemd/system/webpush-server.service \
          --replace-fail /usr/bin/webpush-server ${lib.getExe cfg.package} \
          --replace-fail /bin/kill ${pkgs.coreutils}/bin/kill
      '')
    ];
    systemd.services.webpush-server = {
      wantedBy = [ "multi-user.target" ];
      reloadTriggers = [ config.environment.etc."webpush-server/webpush-server.toml".source ];
      serviceConfig.LoadCredential = lib.mapAttrsToList (name: file: "${name}:${file}") cfg.credentials;
    };
  };
}
